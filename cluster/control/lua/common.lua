#!lua name=troupe_control_@version@

--[[
The side of the control plane's store that runs in Redis. What each function promises is the contract in control-store.ts; the numbers
C1 to C7 are cited from there. The library and its functions carry the hash of this text in their names (redis-library.ts), so that nodes of two
versions can use one server; what is stored keeps its format then, or found.lua tells a newer one.

Every function takes the same KEYS, all in one slot:

  1 cluster       hash: id, bits, format; term, lead (number of the scheduler); version (of the map); numbers (the last one minted)
  2 nodes         hash: node id -> number of the incarnation that is registered
  3 incarnations  hash: number -> incarnation
  4 beats         hash: number -> counter
  5 infos         hash: number -> JSON of NodeInfo
  6 drains        hash: number -> 1 where an operator wants the node emptied
  7 pins          hash: bucket -> number
  8 map           string: owner, next and epoch of each bucket, 32 bits each, little-endian
  9 changes       hash, a ring: version modulo CHANGES_KEPT -> version:mark: and what it changed (index, owner, next and epoch, 32 bits
                  each). A cache: who finds a version missing takes the map. [A node of another version of Troupe has changed the map.]

The mark of a version is a hash over all changes that led to it: it is kept in `cluster`, and tells maps apart that got the same version because the
store went back (C6). Changes are given only to who has the map that they were made to.

and the cluster's id as the first of ARGV, save for `found`. No key expires, and no function asks for the time (C1). Errors are answered only
before the first write (C2): a Lua function is atomic, but is not rolled back.
]]

local CLUSTER, NODES, INCARNATIONS, BEATS, INFOS, DRAINS, PINS, MAP, CHANGES = 1, 2, 3, 4, 5, 6, 7, 8, 9
local ENTRY_BYTES = 12
local ENTRY = '<I4I4I4'
local NO_NODE = 0
-- Versions of the map that can be caught up with. Each changes as many buckets as a call carries at most: 64 KiB.
local CHANGES_KEPT = 1024

local function number_of(keys, field)
  return tonumber(redis.call('HGET', keys[CLUSTER], field))
end

-- Whether this incarnation of the node is the one that is registered (C3).
local function is_registered(keys, id, number)
  return redis.call('HGET', keys[NODES], id) == number
end

-- Whether this node is the scheduler of this term, and the term is the current one (C4).
local function is_lead(keys, term, number)
  local lead = redis.call('HMGET', keys[CLUSTER], 'term', 'lead')
  return lead[1] == term and lead[2] == number
end

local function entry_of(keys, index)
  return struct.unpack(ENTRY, redis.call('GETRANGE', keys[MAP], index * ENTRY_BYTES, (index + 1) * ENTRY_BYTES - 1))
end

-- Keeps what a version changed, in the place of what the version did that had it before.
local function note_changes(keys, version, entries)
  local packed = {}
  for i = 1, #entries do packed[i] = struct.pack('<I4I4I4I4', unpack(entries[i])) end
  local changes = table.concat(packed)
  local mark = redis.sha1hex((redis.call('HGET', keys[CLUSTER], 'mark') or '') .. ':' .. version .. ':' .. changes)
  redis.call('HSET', keys[CLUSTER], 'mark', mark)
  redis.call('HSET', keys[CHANGES], version % CHANGES_KEPT, version .. ':' .. mark .. ':' .. changes)
end

-- Writes entries {index, owner, next, epoch} under one new version; keeps the version when there is none. Answers the version.
local function write_entries(keys, entries)
  if #entries == 0 then return number_of(keys, 'version') end
  for i = 1, #entries do
    local e = entries[i]
    redis.call('SETRANGE', keys[MAP], e[1] * ENTRY_BYTES, struct.pack(ENTRY, e[2], e[3], e[4]))
  end
  local version = redis.call('HINCRBY', keys[CLUSTER], 'version', 1)
  note_changes(keys, version, entries)
  return version
end

-- What one incarnation of a node has left behind, besides its place in `nodes`.
local function strike_out(keys, number)
  redis.call('HDEL', keys[INCARNATIONS], number)
  redis.call('HDEL', keys[BEATS], number)
  redis.call('HDEL', keys[INFOS], number)
  redis.call('HDEL', keys[DRAINS], number)
end

-- What is kept is bounded, so it may be written when memory is short: a full server must not look like a cluster of dead nodes.
local function register_any(name, call)
  redis.register_function{function_name = 'control_' .. name .. '_@version@', callback = call, flags = {'allow-oom'}}
end

-- Registers a function that is called only when the store holds the caller's cluster.
local function register(name, call)
  register_any(name, function(keys, args)
    if redis.call('HGET', keys[CLUSTER], 'id') ~= args[1] then return redis.error_reply('CLUSTER the store holds another cluster, or none') end
    return call(keys, args)
  end)
end

-- The items of a list that is packed into one argument, each a table that begins with a bucket; or nil and an error.
local function unpack_items(keys, packed, format, item_bytes)
  local buckets = redis.call('STRLEN', keys[MAP]) / ENTRY_BYTES
  local items = {}
  for at = 1, #packed, item_bytes do
    local item = {struct.unpack(format, packed, at)}
    if item[1] >= buckets then return nil, redis.error_reply('BUCKET there is no bucket ' .. item[1]) end
    items[#items + 1] = item
  end
  return items, nil
end
