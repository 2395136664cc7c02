// The captures: for each client what it is called, how it is told of the server, and the command that makes it open a connection. No
// account is needed: a session is stopped by a model that is not there, at a loopback port that nobody listens on.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const locked = JSON.parse(readFileSync(new URL('package-lock.json', import.meta.url))).packages
const version = (name) => locked[`node_modules/${name}`].version
const claude = version('@anthropic-ai/claude-code')
const codex = version('@openai/codex')
const gemini = version('@google/gemini-cli')

const settings = (home, file, value) => {
  mkdirSync(dirname(join(home, file)), { recursive: true })
  writeFileSync(join(home, file), typeof value === 'string' ? value : JSON.stringify(value))
}
const server = (recorder) => ({ bridge: { command: recorder, args: [] } })
const claudeConfig = (home, recorder) => settings(home, '.claude.json', { mcpServers: server(recorder) })
const codexConfig = (more = '') => (home, recorder) =>
  settings(home, '.codex/config.toml', `[mcp_servers.bridge]\ncommand = ${JSON.stringify(recorder)}\n${more}`)
const geminiConfig = (home, recorder) =>
  settings(home, '.gemini/settings.json', { security: { auth: { selectedType: 'gemini-api-key' } }, mcpServers: server(recorder) })

// codex mcp list only reads the settings; its app server asks each server.
const codexStatus = [process.execPath, new URL('codex-status.mjs', import.meta.url).pathname]
const nobody = 'http://127.0.0.1:9'

// says: what the client's output must hold; until: the method at which the client has been heard enough and is stopped.
export const captures = [
  { file: `claude-code-${claude}`, client: `Claude Code ${claude}`, era: '2026-07-28', config: claudeConfig,
    run: ['claude', 'mcp', 'list'], says: 'bridge: .*Connected' },
  { file: `claude-code-${claude}-legacy`, client: `Claude Code ${claude}`, era: '2025-11-25', config: claudeConfig,
    env: { MCP_PROTOCOL_NEGOTIATION: 'legacy' }, run: ['claude', 'mcp', 'list'], says: 'bridge: .*Connected' },
  { file: `claude-code-${claude}-session`, client: `Claude Code ${claude}`, era: '2026-07-28', config: claudeConfig,
    env: { ANTHROPIC_BASE_URL: nobody, ANTHROPIC_API_KEY: 'none', CLAUDE_CODE_MAX_RETRIES: '0' }, run: ['claude', '-p', 'hello'], fails: true },
  { file: `codex-${codex}`, client: `Codex ${codex}`, era: '2025-06-18', config: codexConfig(),
    run: codexStatus, shown: 'codex app-server: mcpServerStatus/list', says: '"name":"bridge".*"check_messages"' },
  { file: `codex-${codex}-modern`, client: `Codex ${codex}`, era: '2026-07-28', run: codexStatus,
    config: codexConfig('env = { CODEX_MCP_PROTOCOL_VERSION = "2026-07-28" }\n[features]\nmcp_2026_07_28 = true\n'),
    shown: 'with features.mcp_2026_07_28 and CODEX_MCP_PROTOCOL_VERSION, codex app-server: mcpServerStatus/list', says: '"name":"bridge".*"check_messages"' },
  { file: `gemini-cli-${gemini}`, client: `Gemini CLI ${gemini}`, era: '2025-06-18', config: geminiConfig,
    env: { GEMINI_CLI_TRUST_WORKSPACE: 'true' }, run: ['gemini', 'mcp', 'list'], says: 'bridge: .*Connected' },
  { file: `gemini-cli-${gemini}-session`, client: `Gemini CLI ${gemini}`, era: '2025-06-18', config: geminiConfig,
    env: { GEMINI_CLI_TRUST_WORKSPACE: 'true', GEMINI_API_KEY: 'none', GOOGLE_GEMINI_BASE_URL: nobody }, run: ['gemini', '-p', 'hello'],
    until: 'resources/list', fails: true },
]

// A bundle's server as a client starts it: where it was unpacked, and with what its user chose, here nothing.
const bundled = (home) => {
  const { server, user_config } = JSON.parse(readFileSync(join(home, 'bundle/manifest.json')))
  const filled = (text) => text.replaceAll('${__dirname}', join(home, 'bundle')).replace(/\$\{user_config\.(\w+)\}/g, (_, key) => user_config[key].default)
  settings(home, '.claude.json', { mcpServers: { bundle: { command: filled(server.mcp_config.command), args: server.mcp_config.args.map(filled) } } })
}
const unpack = ['mcpb', 'unpack', '{bundle}', '{home}/bundle']

// packages: what `make package` made, put into the clients that it is for. before is a command to run first, config what to set up then.
export const packages = [
  { client: `Claude Code ${claude}`, run: ['claude', 'plugin', 'validate', '{dist}/claude-plugin'], says: 'Validation passed' },
  { client: `Claude Code ${claude}`, run: ['claude', '--plugin-dir', '{dist}/claude-plugin', 'mcp', 'list'], says: 'plugin:agentbridge:bridge: .*Connected' },
  { client: `Gemini CLI ${gemini}`, run: ['gemini', 'extensions', 'validate', '{dist}/gemini-extension'], says: 'successfully validated' },
  { client: `Gemini CLI ${gemini}`, env: { GEMINI_CLI_TRUST_WORKSPACE: 'true' }, says: 'bridge \\(from agentbridge\\): .*Connected',
    before: ['gemini', 'extensions', 'link', '--consent', '{dist}/gemini-extension'], run: ['gemini', 'mcp', 'list'] },
  { client: `MCP bundle ${version('@anthropic-ai/mcpb')}`, before: unpack, run: ['mcpb', 'validate', '{home}/bundle/manifest.json'], says: 'validation passes' },
  { client: `Claude Code ${claude}, the bundle's server`, before: unpack, config: bundled, run: ['claude', 'mcp', 'list'], says: 'bundle: .*Connected' },
]
