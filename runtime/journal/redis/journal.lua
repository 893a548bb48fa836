#!lua name=@library@

--[[
The journal's side that runs in Redis: every function checks all it must know about a bucket before it writes the first byte of that
bucket, because a script is atomic but is not rolled back. The library's name and its functions' names end in a hash of this text (library.ts), so that
nodes of two versions can use one server.

A bucket has these keys, all with one hash tag (keys.ts):

  meta        hash: e epoch, i incarnation, o origin (the head before position 1), p position, h head, t position up to which the log
              was demoted, u head there, f position up to which some of that lies in a folder (t when it is missing), s the range that was sealed
              last and is not listed, n the journal that took the epoch, l incarnations given up by accepted losses (8 bytes each), x why the bucket may not be opened: it went back; with it v and w, the highest epoch and position that any node knew of, and y
              the incarnations under which it did
  log         stream: one entry an append, named "<its last position>-0"; h head after it, r its records
  snapshots   hash by actor address: position (double), head (8 bytes), an encoded troupe.v1.Snapshot
  checkpoint  string: as a snapshot
  cold        hash by first position: what was demoted from there on, as runtime/journal/cold writes it
  sealed:*    strings by name: the ranges that are sealed in this store (redis-tier.ts)

Positions and epochs come and go as decimal texts; heads and incarnations as eight bytes.

L1  An append is written only under the bucket's epoch, by the journal that took it, at the log's position and behind its head (J3, J4).
    [A failover loses that an epoch was taken, and another node takes the same one.]
L2  A bucket's incarnation is minted by `create` and `accept_loss`, nowhere else: one that is missing was lost.
L3  Epochs only grow: `open` takes one more than the highest that the store or the node has seen.
L4  A bucket that went back is opened by nobody until `accept_loss`, whoever asks, and its epochs then go on above all that were known.
L5  What leaves the log is in the cold tier: `demote` notes the range and trims in one step, under the epoch.
L6  A range that is sealed in this store is listed only while it is the one that was sealed last, and what was sealed before it and is not listed
    is removed in the step that seals it. So what is listed is there, and of what is not there is one a bucket. [A call of `demote` is lost on its way; a
    longer range is sealed, the first one removed; then the call arrives, lists what is gone, and trims.]
]]

local APPENDED, FENCED, CONFLICT, ROLLED_BACK, FAILED = 0, 1, 2, 3, 4

-- What is behind the fast path: the append is there already, or the log stands elsewhere.
local function explain(meta, log, owner, epoch, before, last, headBefore, headAfter)
  local m = redis.call('HMGET', meta, 'e', 'p', 'h', 't', 'u', 'x', 'n')
  if not m[1] then return {ROLLED_BACK, 'missing'} end
  if m[6] then return {ROLLED_BACK, m[6]} end
  if tonumber(epoch) < tonumber(m[1]) or (epoch == m[1] and owner ~= m[7]) then return {FENCED, m[1]} end
  local stands = {CONFLICT, m[2], m[3], m[1]}
  if epoch ~= m[1] or tonumber(last) > tonumber(m[2]) then return stands end
  local there = redis.call('XRANGE', log, last .. '-0', last .. '-0')[1]
  if not there or there[2][2] ~= headAfter then return stands end
  local previous = redis.call('XREVRANGE', log, '(' .. last .. '-0', '-', 'COUNT', 1)[1]
  local at, head = m[4], m[5]
  if previous then at, head = string.match(previous[1], '^%d+'), previous[2][2] end
  if at == before and head == headBefore then return APPENDED end
  return stands
end

-- KEYS: meta and log of every append. ARGV: who appends; of every append: epoch, position before it, position of its last record, head before, head
-- after, records. Answers one outcome an append.
local function append(keys, args)
  local outcomes = {}
  local owner = args[1]
  local a = 2
  for k = 1, #keys, 2 do
    local meta, log = keys[k], keys[k + 1]
    local m = redis.call('HMGET', meta, 'e', 'n', 'p', 'h', 'x')
    local outcome
    if m[1] == args[a] and m[2] == owner and m[3] == args[a + 1] and m[4] == args[a + 3] and not m[5] then
      local added = redis.pcall('XADD', log, args[a + 2] .. '-0', 'h', args[a + 4], 'r', args[a + 5])
      if type(added) == 'table' and added.err then
        outcome = {FAILED, added.err}
      else
        redis.call('HSET', meta, 'p', args[a + 2], 'h', args[a + 4])
        outcome = APPENDED
      end
    else
      outcome = explain(meta, log, owner, args[a], args[a + 1], args[a + 2], args[a + 3], args[a + 4])
    end
    outcomes[#outcomes + 1] = outcome
    a = a + 6
  end
  return outcomes
end

-- KEYS: metas. ARGV: who asks; of every bucket: epoch, position and head that the asker knows. Answers 1 where the epoch is in force, and the
-- asker's, and the log has what the asker knows. [A store that was restored has the epoch, too: what is read in memory is not in its log.]
local function confirm(keys, args)
  local answers = {}
  local owner = args[1]
  for k = 1, #keys do
    local a = 3 * k - 1
    local m = redis.call('HMGET', keys[k], 'e', 'n', 'x', 'p', 'h')
    local holds = m[1] == args[a] and m[2] == owner and not m[3]
    if holds and m[4] == args[a + 1] then
      holds = m[5] == args[a + 2]
    elseif holds then
      holds = tonumber(m[4]) > tonumber(args[a + 1])
    end
    answers[k] = holds and 1 or 0
  end
  return answers
end

-- KEYS: metas of one slot. ARGV: an incarnation for each. Leaves alone what is there.
local function create(keys, args)
  local made = 0
  for k = 1, #keys do
    if redis.call('EXISTS', keys[k]) == 0 then
      local i = args[k]
      redis.call('HSET', keys[k], 'e', '0', 'i', i, 'o', i, 'p', '0', 'h', i, 't', '0', 'u', i, 'l', '')
      made = made + 1
    end
  end
  return made
end

local function holds(list, incarnation)
  for at = 1, #list, 8 do
    if string.sub(list, at, at + 7) == incarnation then return true end
  end
  return false
end

-- What a node knows of a bucket that went back. The note is that of the node that knows most: what the operator is shown is what is lost.
local function note_loss(meta, note, incarnation, epoch, position)
  local m = redis.call('HMGET', meta, 'x', 'v', 'w', 'y')
  local v, w, y = tonumber(m[2] or '0'), tonumber(m[3] or '0'), m[4] or ''
  if m[1] and position <= w then note = m[1] end
  if incarnation ~= '' and not holds(y, incarnation) then y = y .. incarnation end
  redis.call('HSET', meta, 'x', note, 'v', string.format('%.0f', math.max(v, epoch)), 'w', string.format('%.0f', math.max(w, position)), 'y', y)
  return note
end

-- KEYS: meta and checkpoint of every bucket. ARGV: who opens; of every bucket: incarnation, epoch and position that the node knows of ('' and 0
-- when it knows nothing), and what to note when the log is behind that. Takes the next epoch (L3).
local function open(keys, args)
  local answers = {}
  local a = 2
  for k = 1, #keys, 2 do
    local meta = keys[k]
    local incarnation, epoch, position, note = args[a], tonumber(args[a + 1]), tonumber(args[a + 2]), args[a + 3]
    local m = redis.call('HMGET', meta, 'e', 'i', 'o', 'p', 'h', 't', 'u', 'l', 'x')
    local answer
    local behind = m[9] or not m[1]
    if incarnation ~= '' and holds(m[8] or '', incarnation) then
      -- Its loss was accepted: of what the node knows only the epoch counts.
      incarnation, position = '', 0
    elseif not behind and incarnation ~= '' then
      behind = m[2] ~= incarnation or tonumber(m[4]) < position or tonumber(m[1]) < epoch
    end
    if behind then
      answer = {ROLLED_BACK, note_loss(meta, note, incarnation, epoch, position)}
    else
      local next = string.format('%.0f', math.max(tonumber(m[1]), epoch) + 1)
      redis.call('HSET', meta, 'e', next, 'n', args[1])
      answer = {APPENDED, next, m[2], m[3], m[4], m[5], m[6], m[7], m[8], redis.call('GET', keys[k + 1])}
    end
    answers[#answers + 1] = answer
    a = a + 4
  end
  return answers
end

-- KEYS: metas. Where they stand, without taking anything.
local function look(keys)
  local answers = {}
  for k = 1, #keys do
    answers[k] = redis.call('HMGET', keys[k], 'e', 'i', 'o', 'p', 'h', 't', 'u', 'l', 'x', 'n', 'v', 'w', 'f')
  end
  return answers
end

-- KEYS: meta. ARGV: note; incarnation, epoch and position that the node knows of. The node knows that the log went back; nobody opens it until
-- the loss is accepted. One that was accepted already is not noted again. Answers the note that stands, false for none.
local function note_rolled_back(keys, args)
  local given = redis.call('HGET', keys[1], 'l')
  if given and holds(given, args[2]) then return redis.call('HGET', keys[1], 'x') end
  return note_loss(keys[1], args[1], args[2], tonumber(args[3]), tonumber(args[4]))
end

-- Whether a range, as `cold` lists it, is sealed in this store (cold-range.ts).
local function is_here(range)
  return string.byte(range, 2) == 2
end

-- KEYS: meta, log, snapshots, checkpoint, cold. ARGV: the note that the operator has seen; a fresh incarnation; where the log goes on when it stands
-- further back than that: position, head, origin; the epoch to go on from; incarnations that were given up; and of every range that the cold tier has up to
-- that position its first one and the range. A note that changed meanwhile is refused.
local function accept_loss(keys, args)
  local meta = keys[1]
  local m = redis.call('HMGET', meta, 'x', 'i', 'p', 'e', 'l', 'v', 'y')
  if m[1] ~= args[1] then return {0, m[1]} end
  local given = m[5] or ''
  local more = (m[2] or '') .. (m[7] or '') .. args[7]
  for at = 1, #more, 8 do
    local incarnation = string.sub(more, at, at + 7)
    if not holds(given, incarnation) then given = given .. incarnation end
  end
  local position = tonumber(m[3] or '-1')
  if position < tonumber(args[3]) then
    -- The cold tier reaches further than what is left of the log, or nothing is left: the log goes on behind it.
    redis.call('DEL', keys[2], keys[3], keys[4], keys[5])
    local in_folder = '0'
    for i = 8, #args, 2 do
      redis.call('HSET', keys[5], args[i], args[i + 1])
      if not is_here(args[i + 1]) then in_folder = args[i + 2] and string.format('%.0f', tonumber(args[i + 2]) - 1) or args[3] end
    end
    redis.call('HSET', meta, 'p', args[3], 'h', args[4], 't', args[3], 'u', args[4], 'f', in_folder, 'o', args[5])
    position = tonumber(args[3])
  end
  -- The head of an empty log is its incarnation.
  if position == 0 then redis.call('HSET', meta, 'h', args[2], 't', '0', 'u', args[2], 'f', '0', 'o', args[2]) end
  local epoch = math.max(tonumber(m[4] or '0'), tonumber(args[6]), tonumber(m[6] or '0'))
  redis.call('HSET', meta, 'i', args[2], 'l', given, 'e', string.format('%.0f', epoch))
  redis.call('HDEL', meta, 'x', 'v', 'w', 'y')
  return {1}
end

-- KEYS: log, snapshots. ARGV: actor, then the entries that hold its records, by last position, the oldest first. Answers the snapshot,
-- and the entries from the one on that the snapshot names.
local function read_actor(keys, args)
  local snapshot = redis.call('HGET', keys[2], args[1])
  local from = 0
  if snapshot then from = struct.unpack('<d', snapshot) end
  local answer = {snapshot}
  for i = 2, #args do
    if tonumber(args[i]) >= from then
      local entry = redis.call('XRANGE', keys[1], args[i] .. '-0', args[i] .. '-0')[1]
      answer[#answer + 1] = args[i]
      answer[#answer + 1] = entry and entry[2][4] or false
    end
  end
  return answer
end

-- KEYS: log. ARGV: entries by last position.
local function read_entries(keys, args)
  local answer = {}
  for i = 1, #args do
    local entry = redis.call('XRANGE', keys[1], args[i] .. '-0', args[i] .. '-0')[1]
    answer[i] = entry and entry[2][4] or false
  end
  return answer
end

-- Whether a stored snapshot or checkpoint stays where it is: it is newer, and not of a part of the log that was lost.
local function stays(known, value, position)
  if not known then return false end
  local at = struct.unpack('<d', known)
  return at > struct.unpack('<d', value) and at <= tonumber(position)
end

-- KEYS: meta and snapshots of every bucket. ARGV: of every bucket its epoch, how many, and of each: actor, value. Older ones than those that are there
-- are left out, and all under an epoch that is not in force. Answers how many were kept.
local function put_snapshots(keys, args)
  local kept = 0
  local a = 1
  for k = 1, #keys, 2 do
    local m = redis.call('HMGET', keys[k], 'e', 'p')
    local owned = m[1] == args[a]
    local count = tonumber(args[a + 1])
    a = a + 2
    for _ = 1, count do
      if owned then
        local known = redis.call('HGET', keys[k + 1], args[a])
        if not stays(known, args[a + 1], m[2]) then
          redis.call('HSET', keys[k + 1], args[a], args[a + 1])
          kept = kept + 1
        end
      end
      a = a + 2
    end
  end
  return kept
end

-- KEYS: meta and checkpoint of every bucket. ARGV: of every bucket its epoch and the value.
local function put_checkpoints(keys, args)
  local kept = 0
  for k = 1, #keys, 2 do
    local m = redis.call('HMGET', keys[k], 'e', 'p')
    if m[1] == args[k] and not stays(redis.call('GET', keys[k + 1]), args[k + 1], m[2]) then
      redis.call('SET', keys[k + 1], args[k + 1])
      kept = kept + 1
    end
  end
  return kept
end

-- KEYS: meta, cold, where the range's bytes go; and, when one is noted as sealed and not listed, where its bytes are. ARGV: the range as `cold` will list
-- it, its bytes, the noted range ('' for none), its first position. Answers what is noted when that is another one. The same name has the same bytes. L6
local function seal(keys, args)
  local m = redis.call('HMGET', keys[1], 'i', 's', 'x')
  if not m[1] or m[3] then return {ROLLED_BACK, m[3] or 'missing'} end
  if (m[2] or '') ~= args[3] then return {CONFLICT, m[2]} end
  -- An accepted loss may have listed it.
  if keys[4] and keys[4] ~= keys[3] and redis.call('HGET', keys[2], args[4]) ~= args[3] then redis.call('UNLINK', keys[4]) end
  redis.call('SET', keys[3], args[2])
  redis.call('HSET', keys[1], 's', args[1])
  return {APPENDED}
end

-- KEYS: meta, log, cold. ARGV: epoch, position in front of the range, its last position, head there, the range as the cold tier describes it,
-- its first position. L5, L6
local function demote(keys, args)
  local m = redis.call('HMGET', keys[1], 'e', 't', 'p', 'x', 's', 'f')
  if not m[1] or m[4] then return {ROLLED_BACK, m[4] or 'missing'} end
  if m[1] ~= args[1] then return {FENCED, m[1]} end
  if m[2] ~= args[2] or tonumber(args[3]) > tonumber(m[3]) then return {CONFLICT, m[2]} end
  local last = redis.call('XRANGE', keys[2], args[3] .. '-0', args[3] .. '-0')[1]
  if not last or last[2][2] ~= args[4] then return {CONFLICT, m[2]} end
  local here = is_here(args[5])
  if here and m[5] ~= args[5] then return {CONFLICT, m[2]} end
  redis.call('HSET', keys[3], args[6], args[5])
  redis.call('HSET', keys[1], 't', args[3], 'u', args[4], 'f', here and (m[6] or m[2]) or args[3])
  if here then redis.call('HDEL', keys[1], 's') end
  redis.call('XTRIM', keys[2], 'MINID', '=', string.format('%.0f-0', tonumber(args[3]) + 1))
  return {APPENDED}
end

-- KEYS: meta, snapshots. ARGV: epoch, and actors with the position of the snapshot that the cold tier holds. Answers how many went.
local function drop_snapshots(keys, args)
  if redis.call('HGET', keys[1], 'e') ~= args[1] then return -1 end
  local dropped = 0
  for i = 2, #args, 2 do
    local known = redis.call('HGET', keys[2], args[i])
    if known and struct.unpack('<d', known) <= tonumber(args[i + 1]) then
      redis.call('HDEL', keys[2], args[i])
      dropped = dropped + 1
    end
  end
  return dropped
end

local function register(name, callback, flags)
  redis.register_function{function_name = name .. '_@version@', callback = callback, flags = flags}
end

register('append', append, {})
register('confirm', confirm, {'no-writes'})
register('create', create, {})
register('open', open, {'allow-oom'})
register('look', look, {'no-writes'})
register('note_rolled_back', note_rolled_back, {'allow-oom'})
register('accept_loss', accept_loss, {'allow-oom'})
register('read_actor', read_actor, {'no-writes'})
register('read_entries', read_entries, {'no-writes'})
register('put_snapshots', put_snapshots, {})
register('put_checkpoints', put_checkpoints, {})
-- Takes memory to give back more.
register('seal', seal, {'allow-oom'})
register('demote', demote, {'allow-oom'})
register('drop_snapshots', drop_snapshots, {'allow-oom'})
