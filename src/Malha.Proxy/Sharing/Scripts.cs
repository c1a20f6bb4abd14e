namespace Malha.Proxy.Sharing;

/// <summary>
/// What is computed inside the store, each as one step. A limit is the theoretical arrival time of GCRA in microseconds of the store's own clock (Malha.Resilience's Gcra has
/// the formulas); a key that has expired is a full bucket.
/// </summary>
internal static class Scripts
{
    /// <summary>
    /// Takes a request from all of its limits or from none. For each key: T and τ in µs, and the cost. Answers with the limit that refuses, from 1, how long to wait, and how
    /// far ahead it is; or with 0, and for each limit what remains and how far ahead it is. Times in µs.
    /// </summary>
    public const string Take = """
        local t = redis.call('TIME')
        local now = t[1] * 1000000 + t[2]
        local nexts, answer = {}, {0}
        for i = 1, #KEYS do
          local T, tau, cost = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
          local tat = math.min(math.max(tonumber(redis.call('GET', KEYS[i]) or now), now), now + tau)
          local after = tat + cost * T
          if after - now > tau + 0.5 then
            return {i, math.ceil(after - tau - now), math.ceil(tat - now)}
          end
          nexts[i] = after
          answer[2 * i] = math.floor((tau - (after - now)) / T + 0.001)
          answer[2 * i + 1] = math.ceil(after - now)
        end
        for i = 1, #KEYS do
          redis.call('SET', KEYS[i], string.format('%.2f', nexts[i]), 'PX', math.ceil((nexts[i] - now) / 1000) + 1000)
        end
        return answer
        """;

    /// <summary>
    /// Settles leases. For each key: T and τ in µs, the requests to settle (they may make a debt, of one burst at most), and those wanted. Answers for each with those granted, those
    /// that are left, and how far ahead it is in µs.
    /// </summary>
    public const string Lease = """
        local t = redis.call('TIME')
        local now = t[1] * 1000000 + t[2]
        local answer = {}
        for i = 1, #KEYS do
          local T, tau, settle, want = tonumber(ARGV[4 * i - 3]), tonumber(ARGV[4 * i - 2]), tonumber(ARGV[4 * i - 1]), tonumber(ARGV[4 * i])
          local tat = math.max(tonumber(redis.call('GET', KEYS[i]) or now), now) + settle * T
          tat = math.max(math.min(tat, now + 2 * tau), now)
          local room = math.max(0, math.floor((now + tau - tat) / T + 0.001))
          local granted = math.min(want, room)
          tat = tat + granted * T
          if tat > now then
            redis.call('SET', KEYS[i], string.format('%.2f', tat), 'PX', math.ceil((tat - now) / 1000) + 1000)
          else
            redis.call('DEL', KEYS[i])
          end
          answer[3 * i - 2], answer[3 * i - 1], answer[3 * i] = granted, room - granted, math.ceil(tat - now)
        end
        return answer
        """;

    /// <summary>Tells that a gateway is there, and answers how many are: those that told so within the given time, in ms.</summary>
    public const string Present = """
        local t = redis.call('TIME')
        local now = math.floor(t[1] * 1000 + t[2] / 1000)
        redis.call('ZADD', KEYS[1], now, ARGV[1])
        redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
        redis.call('PEXPIRE', KEYS[1], ARGV[2])
        return redis.call('ZCARD', KEYS[1])
        """;

    /// <summary>Tells how much one gateway wants of a capacity, in requests per second, and answers with what each of the others wants that told so within the given time, in ms.</summary>
    public const string Want = """
        local t = redis.call('TIME')
        local now = math.floor(t[1] * 1000 + t[2] / 1000)
        redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. now)
        redis.call('PEXPIRE', KEYS[1], ARGV[3])
        local all, answer = redis.call('HGETALL', KEYS[1]), {}
        for i = 1, #all, 2 do
          local want, at = string.match(all[i + 1], '(%S+) (%S+)')
          if now - at > tonumber(ARGV[3]) then
            redis.call('HDEL', KEYS[1], all[i])
          elseif all[i] ~= ARGV[1] then
            answer[#answer + 1] = want
          end
        end
        return answer
        """;
}
