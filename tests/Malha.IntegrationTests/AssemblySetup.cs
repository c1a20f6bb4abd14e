// Real sockets on two cores: tests of one class run one after the other, classes two at a time.
[assembly: Xunit.v3.Parallelization(MaxThreads = 2)]
