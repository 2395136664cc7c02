// A model that is none: it hears what a client asks Anthropic's messages interface, and always answers "done".
import { createServer } from 'node:http'

const events = [
  ['message_start', { message: { id: 'msg_1', type: 'message', role: 'assistant', model: 'none', content: [], stop_reason: null, stop_sequence: null, usage: { input_tokens: 1, output_tokens: 1 } } }],
  ['content_block_start', { index: 0, content_block: { type: 'text', text: '' } }],
  ['content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'done' } }],
  ['content_block_stop', { index: 0 }],
  ['message_delta', { delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 1 } }],
  ['message_stop', {}],
]

// model serves on a loopback port; asked grows with every request.
export function model() {
  const asked = []
  const server = createServer(async (from, back) => {
    asked.push(Buffer.concat(await from.toArray()).toString())
    back.writeHead(200, { 'content-type': 'text/event-stream' })
    back.end(events.map(([event, data]) => `event: ${event}\ndata: ${JSON.stringify({ type: event, ...data })}\n\n`).join(''))
  })
  return new Promise((ready) => server.listen(0, '127.0.0.1', () => ready({ asked, url: `http://127.0.0.1:${server.address().port}`, close: () => server.closeAllConnections() || server.close() })))
}
