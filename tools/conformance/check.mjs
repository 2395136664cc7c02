// Runs the MCP conformance suite against a hub, once for each set of requirements, and compares what fails with what is expected to.
// Usage: check.mjs BINARY
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const binary = resolve(process.argv[2])
const suite = realpathSync(new URL('node_modules/.bin/conformance', import.meta.url))
const requirements = ['2025-11-25', '2026-07-28']
const dir = mkdtempSync(join(tmpdir(), 'conformance-'))

// A line of the baseline is SCENARIO/CHECK: REASON. A * stands for any checks.
const expected = new Map()
for (const line of readFileSync(new URL('expected.txt', import.meta.url), 'utf8').split('\n')) {
  if (!line || line.startsWith('#')) continue
  const [, key, reason] = line.match(/^(\S+): (\S.*)$/) ?? []
  if (!reason || expected.has(key)) throw new Error(`expected.txt: no reason, or there twice: ${line}`)
  expected.set(key, { key, used: false, pattern: new RegExp(`^${key.replaceAll('*', '.*')}$`) })
}

// The suite wants tools and resources of its own. Where the bridge has something that must behave the same, it stands in: the suite asks for
// its own, the bridge is asked for ours.
const tools = {
  test_simple_text: { name: 'check_partners', arguments: {} },
  test_error_handling: { name: 'send', arguments: { message: 'hello', to: ['nobody'] } },
  greet: { name: 'list_tasks', arguments: {} },
  slow_compute: ({ seconds = 0 }) => ({ name: 'check_messages', arguments: { wait_seconds: Math.min(seconds, 1) } }), // it cancels after less
}
const resources = ['test://static-text', 'test://watched-resource', 'test://template/123/data']

function standIn(method, params, conversation) {
  const tool = method === 'tools/call' && tools[params.name]
  if (tool) return { ...params, ...(typeof tool === 'function' ? tool(params.arguments ?? {}) : tool) }
  if (method?.startsWith('resources/') && resources.includes(params?.uri)) return { ...params, uri: `agentbridge://conversation/${conversation}` }
  return params
}

// The suite has no option for headers, so the token is put in on the way. All else goes through as it is, a forged Host too.
function proxy(hub, token, conversation) {
  const target = new URL(hub)
  const server = createServer(async (from, back) => {
    let body = Buffer.concat(await from.toArray())
    const headers = { ...from.headers, authorization: `Bearer ${token}` }
    try {
      const message = JSON.parse(body)
      const params = standIn(message.method, message.params, conversation)
      if (params !== message.params) {
        body = Buffer.from(JSON.stringify({ ...message, params }))
        headers['content-length'] = body.length
        if (headers['mcp-name']) headers['mcp-name'] = params.name ?? params.uri
      }
    } catch {} // what is not JSON is for the hub to answer
    const to = request({ host: target.hostname, port: target.port, method: from.method, path: from.url, setHost: false, headers }, (answer) => {
      back.writeHead(answer.statusCode, answer.headers)
      answer.pipe(back)
    })
    to.on('error', () => back.destroy())
    back.on('close', () => to.destroy()) // leaving is cancelling
    to.end(body)
  })
  return new Promise((ready) => server.listen(0, '127.0.0.1', () => ready(`http://127.0.0.1:${server.address().port}${target.pathname}`)))
}

// run gives every check of a set of requirements that was made.
function run(url, revision) {
  const out = join(dir, revision)
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [suite, 'server', '--url', url, '--requirements', revision, '-o', out], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 120_000 })
    let said = ''
    child.stdout.on('data', (data) => (said += data))
    child.stderr.on('data', (data) => (said += data))
    child.on('close', () => {
      const checks = []
      for (const name of /^=== SUMMARY ===$/m.test(said) ? readdirSync(out) : []) {
        const scenario = name.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT[\d-]+Z$/, '')
        for (const check of JSON.parse(readFileSync(join(out, name, 'checks.json')))) checks.push({ scenario, ...check })
      }
      if (checks.length < 50) fail(new Error(`the suite made ${checks.length} checks for ${revision}:\n${said}`))
      done(checks)
    })
  })
}

const token = execFileSync(binary, ['--data', dir, 'token', 'new', '--name', 'suite'], { encoding: 'utf8' }).trim()
// The title is what the suite looks for in a resource read through a template.
const { conversation_id: conversation } = JSON.parse(execFileSync(binary,
  ['--data', dir, 'create', '--role', 'judged', '--partner', 'other=absent', '--title', 'number 123', '--json'],
  { encoding: 'utf8', env: { ...process.env, AGENTBRIDGE_TOKEN: token } }))
const hub = spawn(binary, ['--data', dir, 'serve', '--listen', '127.0.0.1:0'], { stdio: ['ignore', 'ignore', 'pipe'] })
process.on('exit', () => { hub.kill(); rmSync(dir, { recursive: true, force: true }) })
let log = ''
const address = await new Promise((found, fail) => {
  hub.stderr.on('data', (data) => {
    log += data
    const url = log.match(/http:\/\/127\.0\.0\.1:\d+\/mcp/)
    if (url) found(url[0])
  })
  hub.on('close', () => fail(new Error(`the hub ended:\n${log}`)))
})
const url = await proxy(address, token, conversation)

let passed = 0
let failed = 0
for (const revision of requirements) {
  const count = { good: 0, expected: 0, unexpected: 0 }
  for (const check of await run(url, revision)) {
    if (check.status !== 'FAILURE') { count.good++; continue }
    const key = `${check.scenario}/${check.id}`
    const known = [...expected.values()].find((e) => e.pattern.test(key))
    if (known) { known.used = true; count.expected++; continue }
    count.unexpected++
    console.log(`${revision} ${key} fails: ${check.errorMessage}`)
  }
  passed += count.good
  failed += count.unexpected
  console.log(`${revision}: ${count.good} checks passed, ${count.expected} failed as expected, ${count.unexpected} failed`)
}
for (const e of expected.values()) {
  if (e.used) continue
  failed++
  console.log(`${e.key} does not fail any more: take it out of expected.txt`)
}
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed ? 1 : 0)
