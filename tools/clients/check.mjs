// Runs the real clients against the program: what they say when they open a connection must be what the openings in the repository hold,
// and the packages for them must work in them. With --write the openings are written anew.
// Usage: check.mjs BINARY DIST OPENINGS [--write]
import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { captures, packages } from './captures.mjs'
import { model } from './model.mjs'

const [binary, dist, openings] = process.argv.slice(2, 5).map((name) => resolve(name))
const bundle = readdirSync(dist).find((name) => name.endsWith('-linux-amd64.mcpb')) // as node_modules' Node
const write = process.argv.includes('--write')
const bin = new URL('node_modules/.bin', import.meta.url).pathname
const limit = 60_000
let passed = 0
let failed = 0

// A client must find nothing of this machine's user: a home of its own, and no variables but these.
function place() {
  const home = mkdtempSync(join(tmpdir(), 'clients-'))
  for (const dir of ['bin', 'work', 'tmp']) mkdirSync(join(home, dir))
  symlinkSync(binary, join(home, 'bin', 'agentbridge'))
  const recorder = join(home, 'recorder')
  writeFileSync(recorder, `#!/bin/sh\ntee -a '${home}/heard' | agentbridge mcp --as agent\n`)
  chmodSync(recorder, 0o755)
  const env = {
    HOME: home, TMPDIR: join(home, 'tmp'), CLAUDE_CODE_TMPDIR: join(home, 'tmp'), PATH: [join(home, 'bin'), bin, dirname(process.execPath), '/usr/bin', '/bin'].join(':'), AGENTBRIDGE_DATA: join(home, 'data'),
    DISABLE_TELEMETRY: '1', CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  }
  return { home, recorder, env }
}

const heard = (home) => (existsSync(join(home, 'heard')) ? readFileSync(join(home, 'heard'), 'utf8') : '')

// A session's model is not there, so the client does not end well, or goes on trying: then it is stopped.
function run(command, { home, env }, { until } = {}) {
  return new Promise((done) => {
    const args = command.slice(1).map((arg) => arg.replace('{dist}', dist).replace('{bundle}', join(dist, bundle)).replace('{home}', home))
    const child = spawn(command[0], args, { cwd: join(home, 'work'), env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    child.stdout.on('data', (data) => (said += data))
    child.stderr.on('data', (data) => (said += data))
    const stop = () => { try { process.kill(-child.pid, 'SIGKILL') } catch {} }
    const late = setTimeout(() => { said += `\n(still running after ${limit / 1000} s)`; stop() }, limit)
    const enough = until && setInterval(() => { if (heard(home).includes(`"${until}"`)) stop() }, 50)
    child.on('error', (err) => (said += err))
    child.on('close', (code) => { clearTimeout(late); clearInterval(enough); stop(); done({ code, said }) })
  })
}

// What a client asks once the connection stands it asks at once, in any order.
function methods(text) {
  const all = text.split('\n').filter((line) => line && !line.startsWith('#')).map((line) => JSON.parse(line).method)
  const open = all.findIndex((method) => !['server/discover', 'initialize', 'notifications/initialized'].includes(method))
  return open < 0 ? all : [...all.slice(0, open), ...all.slice(open).sort()]
}

function judge(what, faults, said) {
  console.log(`${faults.length ? 'FAILED' : 'ok'}  ${what}`)
  if (!faults.length) return passed++
  failed++
  for (const fault of faults) console.log(`    ${fault}`)
  if (said) console.log(said.trim().replace(/^/gm, '    | '))
}

for (const c of captures) {
  const p = place()
  c.config(p.home, p.recorder)
  Object.assign(p.env, c.env)
  const { code, said } = await run(c.run, p, c)
  const faults = []
  if (!c.fails && code !== 0) faults.push(`it ended with ${code}`)
  if (c.says && !new RegExp(c.says).test(said)) faults.push(`it does not say ${c.says}`)
  const got = heard(p.home)
  const file = join(openings, c.file + '.jsonl')
  const shown = c.shown ?? [...Object.entries(c.env ?? {}).map(([k, v]) => `${k}=${v}`), ...c.run].join(' ')
  if (write && !faults.length) writeFileSync(file, `# client: ${c.client}\n# era: ${c.era}\n# captured by: ${shown}\n${got}`)
  if (!existsSync(file)) faults.push(`no ${c.file}.jsonl: new versions are captured with make clients ARGS=--write, and old files removed`)
  else {
    const want = methods(readFileSync(file, 'utf8')).join(' ')
    if (methods(got).join(' ') !== want) faults.push(`it asks ${methods(got).join(' ')}`, `the opening has ${want}`)
  }
  judge(`${c.client} opens in ${c.era}: ${shown}`, faults, said)
  rmSync(p.home, { recursive: true, force: true, maxRetries: 5 })
}

for (const c of packages) {
  const p = place()
  Object.assign(p.env, c.env)
  if (c.before) await run(c.before, p)
  c.config?.(p.home)
  const { code, said } = await run(c.run, p)
  const faults = []
  if (code !== 0) faults.push(`it ended with ${code}`)
  if (!new RegExp(c.says).test(said)) faults.push(`it does not say ${c.says}`)
  judge(`${c.client}: ${c.run.join(' ').replace(/\{(dist|home)\}/g, '$1')}`, faults, said)
  rmSync(p.home, { recursive: true, force: true, maxRetries: 5 })
}

// The plugin's hooks run in a real session: its model is told that a message waits and from whom, at the start and again at the end of the
// turn, and never what it says.
async function hooked() {
  const p = place()
  const m = await model()
  Object.assign(p.env, { ANTHROPIC_BASE_URL: m.url, ANTHROPIC_API_KEY: 'none' })
  const faults = []
  for (const args of [['create', '--as', 'lead', '--role', 'leads', '--partner', 'work=works'], ['join', '--as', 'work'], ['send', '--as', 'lead', 'the answer is 42']]) {
    const { code, said } = await run(['agentbridge', ...args], p)
    if (code !== 0) faults.push(`agentbridge ${args.join(' ')}: ${said}`)
  }
  const { code, said } = await run(['claude', '--plugin-dir', '{dist}/claude-plugin', '-p', 'hello'], p)
  m.close()
  rmSync(p.home, { recursive: true, force: true, maxRetries: 5 })
  const told = m.asked.map((body) => (body.match(/1 unread message\b[^.]{0,40}\blead\b/g) ?? []).length)
  if (code !== 0) faults.push(`it ended with ${code}`)
  if (!told.at(0) || told.at(-1) <= told.at(0)) faults.push(`of ${told.length} requests to the model these name the message so often: ${told}`)
  const leaked = m.asked.some((body) => body.includes('the answer is 42'))
  if (leaked) faults.push('a hook says what the message says')
  return { faults, said, leaked }
}

// A hook lets its client go on after a tenth of a second, so a machine that is busy may miss one.
let hooks = await hooked()
for (let again = 0; again < 2 && hooks.faults.length && !hooks.leaked; again++) hooks = await hooked()
judge(`Claude Code, in a session: the plugin's hooks tell the model that a message waits`, hooks.faults, hooks.said)

console.log(`${passed} passed, ${failed} failed`)
process.exit(failed ? 1 : 0)
