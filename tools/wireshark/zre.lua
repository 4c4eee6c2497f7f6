-- Wireshark dissector for ZRE (RFC 36): beacons on UDP ports 5670 and 15670, and messages over ZMTP 3 on any TCP port.
--
-- Copy it into the folder "Personal Lua Plugins" (Help, About Wireshark, Folders), or run: wireshark -X lua_script:zre.lua
-- Filters: zre, zre.message == "HELLO", zre.name == "alice", zre_beacon.uuid, zre_beacon.state == 3, zre.sealed

local beacon = Proto("zre_beacon", "ZRE beacon")
local zre = Proto("zre", "ZRE over ZMTP")

local states = { [0] = "INIT", "ERROR", "EXIT", "IDLE", "RECEIVING", "PROCESSING" }
local ids = {
	"HELLO", "WHISPER", "SHOUT", "JOIN", "LEAVE", "PING", "PING-OK", "ELECT", "LEADER", "GOODBYE", [128] = "STATE",
}

local b = {
	version = ProtoField.uint8("zre_beacon.version", "Version"),
	uuid = ProtoField.guid("zre_beacon.uuid", "UUID"),
	port = ProtoField.uint16("zre_beacon.port", "Port of the mailbox (0: the node leaves)"),
	key = ProtoField.bytes("zre_beacon.key", "CURVE key"),
	state = ProtoField.uint8("zre_beacon.state", "State", base.DEC, states),
}
beacon.fields = { b.version, b.uuid, b.port, b.key, b.state }

local f = {
	greeting = ProtoField.none("zre.greeting", "Greeting"),
	zmtp = ProtoField.string("zre.zmtp", "Version of ZMTP"),
	mechanism = ProtoField.string("zre.mechanism", "Mechanism"),
	server = ProtoField.bool("zre.as_server", "As server"),
	flags = ProtoField.uint8("zre.frame.flags", "Flags", base.HEX),
	size = ProtoField.uint64("zre.frame.size", "Size"),
	content = ProtoField.bytes("zre.content", "Content"),
	command = ProtoField.string("zre.command", "Command"),
	property = ProtoField.string("zre.property", "Property"),
	sealed = ProtoField.bytes("zre.sealed", "Sealed by CURVE"),
	message = ProtoField.string("zre.message", "Message"),
	version = ProtoField.uint8("zre.version", "Version"),
	sequence = ProtoField.uint16("zre.sequence", "Sequence"),
	endpoint = ProtoField.string("zre.endpoint", "Endpoint"),
	group = ProtoField.string("zre.group", "Group"),
	status = ProtoField.uint8("zre.status", "Status"),
	name = ProtoField.string("zre.name", "Name"),
	header = ProtoField.string("zre.header", "Header"),
	node = ProtoField.string("zre.node", "Node"),
	state = ProtoField.uint8("zre.state", "State", base.DEC, states),
}
zre.fields = {
	f.greeting, f.zmtp, f.mechanism, f.server, f.flags, f.size, f.content, f.command, f.property, f.sealed, f.message, f.version,
	f.sequence, f.endpoint, f.group, f.status, f.name, f.header, f.node, f.state,
}

local malformed = ProtoExpert.new("zre.malformed", "Malformed", expert.group.MALFORMED, expert.severity.ERROR)
zre.experts = { malformed }

-- Beacons.

function beacon.dissector(tvb, pinfo, tree)
	local n = tvb:len()
	if n < 22 or tvb(0, 3):raw() ~= "ZRE" then
		return 0
	end
	local version = tvb(3, 1):uint()
	local size = version == 3 and 54 or 22
	if version ~= 1 and version ~= 3 or n ~= size and n ~= size + 1 then
		return 0
	end
	pinfo.cols.protocol = "ZRE"
	local t = tree:add(beacon, tvb())
	t:add(b.version, tvb(3, 1))
	t:add(b.uuid, tvb(4, 16))
	t:add(b.port, tvb(20, 2))
	local info = "Beacon of " .. tostring(tvb(4, 4):bytes()) .. ", port " .. tvb(20, 2):uint()
	if version == 3 then
		t:add(b.key, tvb(22, 32))
		info = info .. ", CURVE key"
	end
	if n == size + 1 then
		t:add(b.state, tvb(size, 1))
		info = info .. ", " .. (states[tvb(size, 1):uint()] or "unknown state")
	end
	if tvb(20, 2):uint() == 0 then
		info = info .. " (leaves)"
	end
	pinfo.cols.info = info
	return n
end

DissectorTable.get("udp.port"):add(5670, beacon)
DissectorTable.get("udp.port"):add(15670, beacon)
beacon:register_heuristic("udp", function(tvb, pinfo, tree) -- of networks with another port
	return beacon.dissector(tvb, pinfo, tree) > 0
end)

-- Messages. A reader walks through a frame; it is broken once it is asked for more than the frame has.

local function reader(tvb)
	local r = { at = 0, broken = false }
	function r:take(n)
		if self.broken or n > tvb:len() - self.at then
			self.broken = true
			return nil
		end
		self.at = self.at + n
		if n == 0 then
			return false
		end
		return tvb(self.at - n, n)
	end
	function r:string(tree, field, width)
		local length = self:take(width)
		if not length then
			return ""
		end
		local text = self:take(length:uint())
		if text == nil then
			return ""
		end
		local s = text and text:string(ENC_UTF_8) or ""
		if tree then
			if text then
				tree:add(field, text, s)
			else
				tree:add(field, length, "")
			end
		end
		return s
	end
	function r:number(tree, field, width)
		local range = self:take(width)
		if not range then
			return 0
		end
		tree:add(field, range)
		return range:uint()
	end
	return r
end

-- count reads how many entries follow. No entry is shorter than least bytes, so a count beyond that is broken.
local function count(r, tvb, least)
	local range = r:take(4)
	if not range then
		return 0
	end
	if range:uint() > (tvb:len() - r.at) / least then
		r.broken = true
		return 0
	end
	return range:uint()
end

local function hello(r, tvb, t)
	local endpoint = r:string(t, f.endpoint, 1)
	for _ = 1, count(r, tvb, 4) do
		r:string(t, f.group, 4)
	end
	r:number(t, f.status, 1)
	local name = r:string(t, f.name, 1)
	for _ = 1, count(r, tvb, 5) do
		local from = r.at
		local key = r:string(nil, nil, 1)
		local value = r:string(nil, nil, 4)
		if r.broken then
			break
		end
		t:add(f.header, tvb(from, r.at - from), key .. "=" .. value)
	end
	return " " .. name .. " " .. endpoint
end

-- message dissects the first frame of a ZRE message, and returns its text for the Info column.
local function message(tvb, t)
	local id = tvb(2, 1):uint()
	t:add(f.message, tvb(2, 1), ids[id] or "unknown")
	t:add(f.version, tvb(3, 1))
	local info = ids[id] or ("message " .. id)
	local r = reader(tvb)
	r.at = 4
	info = info .. " #" .. r:number(t, f.sequence, 2)
	if id == 1 then
		info = info .. hello(r, tvb, t)
	elseif id == 3 then
		info = info .. " " .. r:string(t, f.group, 1)
	elseif id == 4 or id == 5 then
		info = info .. " " .. r:string(t, f.group, 1)
		r:number(t, f.status, 1)
	elseif id == 8 or id == 9 then
		info = info .. " " .. r:string(t, f.group, 1)
		r:string(t, f.node, 1)
	elseif id == 128 then
		info = info .. " " .. (states[r:number(t, f.state, 1)] or "unknown state")
	end
	if r.broken then
		t:add_proto_expert_info(malformed, "ZRE: the message is shorter than it says")
	end
	return info
end

-- command dissects a ZMTP command.
local function command(tvb, t)
	local r = reader(tvb)
	local name = r:string(t, f.command, 1)
	if name == "MESSAGE" then
		t:add(f.sealed, tvb())
		return "sealed"
	end
	if name == "READY" then
		while r.at < tvb:len() and not r.broken do
			local from = r.at
			local key = r:string(nil, nil, 1)
			local size = r:take(4)
			local value = size and r:take(size:uint())
			if r.broken then
				break
			end
			local text = value and value:string(ENC_UTF_8) or ""
			if value and key == "Identity" then
				text = tostring(value:bytes())
			end
			t:add(f.property, tvb(from, r.at - from), key .. "=" .. text)
		end
	end
	if r.broken and name ~= "READY" or name == "" then
		t:add_proto_expert_info(malformed, "ZMTP: the command is shorter than it says")
	end
	return name
end

-- frame_at reads the header of a frame: how long the header and the frame are, and its flags. It returns nil if the header is incomplete.
local function frame_at(tvb, at)
	local left = tvb:len() - at
	if left < 2 then
		return nil
	end
	local flags = tvb(at, 1):uint()
	if bit32.band(flags, 2) == 0 then
		return 2, tvb(at + 1, 1):uint(), flags
	end
	if left < 9 then
		return nil
	end
	return 9, tvb(at + 1, 8):uint64():tonumber(), flags
end

-- message_end returns where the message that begins at offset ends, or nil if it does not end in these bytes.
local function message_end(tvb, at)
	while true do
		local head, size, flags = frame_at(tvb, at)
		if not head or head + size > tvb:len() - at then
			return nil
		end
		at = at + head + size
		if bit32.band(flags, 1) == 0 then
			return at
		end
	end
end

local function greeting(tvb, pinfo, tree)
	local t = tree:add(f.greeting, tvb())
	t:add(f.zmtp, tvb(10, 2), tvb(10, 1):uint() .. "." .. tvb(11, 1):uint())
	t:add(f.mechanism, tvb(12, 20), tvb(12, 20):stringz())
	t:add(f.server, tvb(32, 1))
	return "greeting " .. tvb(12, 20):stringz()
end

-- frames dissects the frames of one message.
local function frames(tvb, tree)
	local at, first, info = 0, true, nil
	while at < tvb:len() do
		local head, size, flags = frame_at(tvb, at)
		local t = tree:add(zre, tvb(at, head + size), "Frame, " .. size .. " bytes")
		t:add(f.flags, tvb(at, 1))
		t:add(f.size, tvb(at + 1, head - 1))
		if size > 0 then
			local body = tvb(at + head, size):tvb()
			if bit32.band(flags, 4) ~= 0 then
				info = command(body, t)
			elseif first and size >= 6 and body(0, 2):uint() == 0xAAA1 then
				info = message(body, t)
			elseif first and size > 8 and body(0, 8):raw() == "\7MESSAGE" then
				t:add(f.sealed, body())
				info = "sealed"
			else
				t:add(f.content, body())
			end
		end
		first = false
		at = at + head + size
	end
	return info or "not ZRE"
end

function zre.dissector(tvb, pinfo, tree)
	pinfo.cols.protocol = "ZRE"
	local t = tree:add(zre, tvb())
	local at, list = 0, {}
	while at < tvb:len() do
		local ends
		if tvb(at, 1):uint() == 0xFF then
			ends = tvb:len() - at >= 64 and at + 64 or nil
		elseif tvb(at, 1):uint() > 7 then
			t:add_proto_expert_info(malformed, "ZMTP: no frame begins with these flags")
			break
		else
			ends = message_end(tvb, at)
		end
		if not ends then
			pinfo.desegment_offset = at
			pinfo.desegment_len = DESEGMENT_ONE_MORE_SEGMENT
			break
		end
		local part = tvb(at, ends - at):tvb()
		if tvb(at, 1):uint() == 0xFF then
			list[#list + 1] = greeting(part, pinfo, t)
		else
			list[#list + 1] = frames(part, t)
		end
		at = ends
	end
	if #list > 0 then
		pinfo.cols.info = table.concat(list, ", ", 1, math.min(#list, 8)) .. (#list > 8 and ", …" or "")
	end
	return tvb:len()
end

-- A connection is ZRE's if it begins with a ZMTP greeting, or, if the beginning was not captured, a segment begins with a ZRE message.
local function looks_like_zre(tvb)
	if tvb:len() >= 10 and tvb(0, 1):uint() == 0xFF and tvb(9, 1):uint() == 0x7F then
		return true
	end
	local head, size = frame_at(tvb, 0)
	return head and tvb(0, 1):uint() <= 3 and size >= 6 and tvb:len() >= head + 4 and tvb(head, 2):uint() == 0xAAA1
		and ids[tvb(head + 2, 1):uint()] and tvb(head + 3, 1):uint() == 2
end

local function heuristic(tvb, pinfo, tree)
	if not looks_like_zre(tvb) then
		return false
	end
	pinfo.conversation = zre
	zre.dissector(tvb, pinfo, tree)
	return true
end

zre:register_heuristic("tcp", heuristic)
