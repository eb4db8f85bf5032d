"""The script that asks and spends in Redis, in one step for all limits of a request that stand next to each other.

The problem: asking first and spending later, in two round trips, lets two gateways both spend the last request. The
rule: Redis runs a script as one step. It looks at every key; only when no enforced limit is exceeded does it spend, on
all of them: a request that is refused costs nothing anywhere.

The clock is Redis' own (TIME): gateways on several machines disagree about the time by more than a request's worth,
and then each would refill the buckets of the others. Tests give the time instead. Seconds count from 2025, so that
a double holds them to some 10 nanoseconds. A bucket that is used up beyond its limit (the clock was set back, a
reload lowered the limit) is used up to the limit, and refills from now on.

    kind    each             most        what is kept
    rate    s for a request  s that fit  when the bucket will be full again (GCRA's theoretical arrival time)
    quota   s of a window    requests    requests so far, and when their window ends
"""

from __future__ import annotations

from typing import Final

from gateway.upstream.redis_account import Script

WORDS_EACH: Final = 5
"""Arguments for each key: kind, each, most, cost, enforced."""

# KEYS: one for each limit. ARGV: the time or '', whether to spend, then WORDS_EACH for each key.
# Answers, for each key: whether it is exceeded, what is used (millionths), when its window ends (ms from now).
LIMITS: Final = Script("""
local BASE = 1735689600
local now = tonumber(ARGV[1])
if now then
  now = now - BASE
else
  local time = redis.call('TIME')
  now = time[1] - BASE + time[2] / 1000000
end

local function rate(kept, each, most, cost)
  local ahead = math.max((tonumber(kept) or now) - now, 0)
  local used = math.min(ahead, most)
  local spent = used + each * cost
  return used, 0, spent, string.format('%.9f', now + spent), spent, ahead > most
end

local function quota(kept, each, most, cost)
  local count, ends = string.match(kept or '', '^(%S+) (%S+)$')
  count, ends = tonumber(count) or 0, tonumber(ends) or 0
  if ends <= now or ends > now + each then
    count, ends = 0, (math.floor((now + BASE) / each) + 1) * each - BASE
  end
  local spent = count + cost
  return count, ends - now, spent, string.format('%d %.6f', spent, ends), ends - now
end

local found, refused = {}, false
for i, key in ipairs(KEYS) do
  local kind, each, most, cost, enforced = unpack(ARGV, 5 * i - 2, 5 * i + 2)
  each, most, cost = tonumber(each), tonumber(most), tonumber(cost)
  local measure = kind == 'rate' and rate or quota
  local used, ends, spent, keep, lives, beyond = measure(redis.call('GET', key), each, most, cost)
  local over = spent > most + 1e-7
  refused = refused or (over and enforced == '1')
  if beyond and ARGV[2] == '1' then
    redis.call('SET', key, string.format('%.9f', now + used), 'PX', math.max(math.ceil(used * 1000), 1))
  end
  found[i] = {over = over, used = used, ends = ends, spent = spent, keep = keep, lives = lives}
end

local answer = {}
for i, key in ipairs(KEYS) do
  local one = found[i]
  if ARGV[2] == '1' and not refused and not one.over then
    redis.call('SET', key, one.keep, 'PX', math.max(math.ceil(one.lives * 1000), 1))
    one.used = one.spent
  end
  answer[3 * i - 2] = one.over and 1 or 0
  answer[3 * i - 1] = math.floor(one.used * 1000000)
  answer[3 * i] = math.ceil(one.ends * 1000)
end
return answer
""")
