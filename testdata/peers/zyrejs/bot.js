// Drives a zyre.js node by JSON lines; see ../README.md. NODE_PATH names the folder that holds zyre.js.
//
// zyre.js sends, and passes up, one content frame per message. It announces a peer's groups before the peer itself.
'use strict';

const net = require('net');
const readline = require('readline');
const Zyre = require('zyre.js');

const flags = { '--name': 1, '--group': 0, '--header': 0, '--interface': 1, '--port': 1, '--interval': 1, '--evasive': 1, '--expired': 1, '--uuid': 1 };

// libzmq prints to standard output now and then. ZRE_BOT_FD names another file descriptor to speak the protocol on:
//   node bot.js 3>&1 1>&2
// Output is gathered and written once per turn of the event loop; the writes are synchronous.
const out = new net.Socket({ fd: Number(process.env.ZRE_BOT_FD || 1), readable: false });
out._handle.setBlocking(true);
let output = '';

function flush() {
  out.write(output);
  output = '';
}

function say(event, fields) {
  if (output === '') setImmediate(flush);
  output += `${JSON.stringify({ event, ...fields })}\n`;
}

function exit(code) {
  flush();
  process.exit(code);
}

// fail ends the process: better than a node without that option.
function fail(text) {
  say('error', { error: text });
  exit(2);
}

// options reads the command line: an object from flag to its values.
function options(args) {
  const found = {};
  for (let i = 0; i < args.length; i += 2) {
    const most = flags[args[i]];
    if (most === undefined || args[i + 1] === undefined) fail(`zyre.js bot: unknown flag or no value: ${args[i]}`);
    (found[args[i]] ||= []).push(args[i + 1]);
    if (most && found[args[i]].length > most) fail(`zyre.js takes one ${args[i]}`);
  }
  return found;
}

function milliseconds(text) {
  if (text === undefined) return undefined;
  const match = /^([0-9.]+)(ms|s)$/.exec(text);
  if (!match) fail(`zyre.js bot: ${text} is not a duration such as 250ms or 1s`);
  return Number(match[1]) * (match[2] === 's' ? 1000 : 1);
}

const hyphens = (hex) => hex.toLowerCase().replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
const hex = (id) => id.replace(/-/g, '').toLowerCase();
const utf8 = new TextDecoder('utf-8', { fatal: true });

// content returns the fields of an event that carry the content frame; a message without content has none.
function content(frame) {
  if (frame === undefined) return { frames: [], text: [] };
  const fields = { frames: [frame.toString('base64')] };
  try {
    fields.text = [utf8.decode(frame)];
  } catch (e) {
    // Not text.
  }
  return fields;
}

// frame returns the single content frame of a command.
function frame(command) {
  const frames = command.text ? command.text.map((t) => Buffer.from(t)) : command.frames.map((f) => Buffer.from(f, 'base64'));
  if (frames.length !== 1) throw new Error('zyre.js sends exactly one content frame');
  return frames[0];
}

// counts tells whether to count a received whisper instead of reporting it.
let toCount = 0;
function counts() {
  if (toCount === 0) return false;
  if (--toCount === 0) say('counted');
  return true;
}

function carryOut(zyre, command) {
  switch (command.cmd) {
    case 'join': zyre.join(command.group); break;
    case 'leave': zyre.leave(command.group); break;
    case 'whisper': zyre.whisper(hex(command.peer), frame(command)); break;
    case 'shout': zyre.shout(command.group, frame(command)); break;
    case 'flood': {
      const peer = hex(command.peer), zeros = Buffer.alloc(command.size);
      for (let i = 0; i < command.count; i++) zyre.whisper(peer, zeros);
      break;
    }
    case 'count':
      toCount = command.count;
      say('counting');
      break;
    case 'peers':
      say('peers', {
        peers: Object.entries(zyre.getPeers()).map(([id, p]) => ({
          peer: hyphens(id), name: p.name, endpoint: p.endpoint, headers: p.headers, groups: p.groups,
        })),
      });
      break;
    default: throw new Error('unknown command');
  }
}

function report(zyre) {
  const expired = new Set(); // zyre.js says "expired", then "disconnect"
  const peer = (id, name) => ({ peer: hyphens(id), name });
  zyre.on('connect', (id, name, headers) => {
    say('enter', { ...peer(id, name), headers, endpoint: zyre.getPeer(id).endpoint, transport: 'tcp' });
  });
  zyre.on('expired', (id) => expired.add(id));
  zyre.on('disconnect', (id, name) => say('exit', { ...peer(id, name), reason: expired.delete(id) ? 'expired' : undefined }));
  zyre.on('join', (id, name, group) => say('join', { ...peer(id, name), group }));
  zyre.on('leave', (id, name, group) => say('leave', { ...peer(id, name), group }));
  zyre.on('whisper', (id, name, message) => counts() || say('whisper', { ...peer(id, name), ...content(message) }));
  zyre.on('shout', (id, name, message, group) => say('shout', { ...peer(id, name), group, ...content(message) }));
}

async function main() {
  const given = options(process.argv.slice(2));
  const one = (flag) => given[flag]?.[0];
  if (one('--uuid')) fail('zyre.js cannot do --uuid');
  const headers = {};
  for (const h of given['--header'] ?? []) {
    const at = h.indexOf('=');
    if (at < 1) fail(`zyre.js bot: ${h} is not KEY=VALUE`);
    headers[h.slice(0, at)] = h.slice(at + 1);
  }
  const zyre = Zyre.new({
    name: one('--name'),
    iface: one('--interface'),
    headers,
    evasive: milliseconds(one('--evasive')),
    expired: milliseconds(one('--expired')),
    bport: one('--port') && Number(one('--port')),
    binterval: milliseconds(one('--interval')),
  });
  zyre.setEncoding('raw');
  report(zyre);

  // It joins before it sends beacons, so that HELLO contains the groups: as soon as start() has made the inner node.
  const started = zyre.start();
  while (!zyre._zyreNode) await new Promise(setImmediate);
  (given['--group'] ?? []).forEach((group) => zyre.join(group));
  await started;
  const id = zyre.getIdentity();
  say('ready', { uuid: hyphens(id), name: zyre._name, endpoint: zyre._zyreNode._endpoint });

  const lines = readline.createInterface({ input: process.stdin, terminal: false });
  lines.on('line', (line) => {
    try {
      const command = JSON.parse(line);
      if (command.cmd === 'quit') lines.close();
      else carryOut(zyre, command);
    } catch (e) {
      say('error', { error: `${line.slice(0, 200)}: ${e.message}` });
    }
  });
  lines.on('close', async () => {
    await zyre.stop();
    exit(0);
  });
}

main();
