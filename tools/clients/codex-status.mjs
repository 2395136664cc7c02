// Asks Codex's app server for the state of its MCP servers, as its desktop clients do, and prints the answer. With a method and its
// parameters in JSON it asks that instead.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

const codex = spawn('codex', ['app-server'], { stdio: ['pipe', 'pipe', 'inherit'] })
const say = (message) => codex.stdin.write(JSON.stringify(message) + '\n')
codex.on('exit', (code) => process.exit(code ?? 1))
createInterface({ input: codex.stdout }).on('line', (line) => {
  const { id } = JSON.parse(line)
  if (id === 1) {
    say({ method: 'initialized' })
    say({ id: 2, method: process.argv[2] ?? 'mcpServerStatus/list', params: JSON.parse(process.argv[3] ?? '{}') })
  }
  if (id === 2) {
    console.log(line)
    codex.stdin.end()
  }
})
say({ id: 1, method: 'initialize', params: { clientInfo: { name: 'agentbridge', title: null, version: '0' } } })
