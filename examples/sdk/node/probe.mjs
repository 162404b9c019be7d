// The probe of spec/probe.md, written with faas.mjs: what the suite judges the library by.
import { serve, Status } from './faas.mjs'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'

const result = (kind, data) => ({
  source: '/fsi/probe', type: `fsi.probe.${kind}`, ...(data && { datacontenttype: 'application/json', data })
})

const handlers = {
  echo: (event) => event,

  * emit({ data: { count, bytes } }) {
    for (let n = 1; n <= count; n++) {
      yield { ...result('item'), subject: String(n), datacontenttype: 'application/octet-stream', data: Buffer.alloc(bytes, 'x') }
    }
  },

  fail({ data: { code, message, details } }) {
    throw new Status(code, message, details)
  },

  panic() {
    throw new TypeError('as a defect would')
  },

  async * wait(event, { signal }) {
    yield result('waiting')
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
    throw new Status('CANCELLED', 'gave up waiting')
  },

  print(event) {
    const text = `${event.data.text}\n`
    process.stdout.write(text)
    fs.writeSync(1, text)
    execFileSync('printf', ['%s', text], { stdio: 'inherit' })
    return event
  },

  read: () => result('read', { bytes: fs.readFileSync(0).length }),

  log(event) {
    process.stderr.write(`${'x'.repeat(79)}\n`.repeat(event.data.bytes / 80 + 1).slice(0, event.data.bytes))
    return event
  },

  context(event, { invocationId, attempt, deadlineMs, traceparent, tracestate, baggage, extra }) {
    const fields = { invocationId, attempt, deadlineMs, traceparent, tracestate, baggage, extra }
    const isThere = ([, value]) => typeof value === 'object' ? Object.keys(value).length : value
    return result('context', Object.fromEntries(Object.entries(fields).filter(isThere)))
  },

  invalid: (event) => ({ ...event, id: '' })
}

function handler(event, context) {
  const [, name] = /^fsi\.probe\.(\w+)$/.exec(event.type) ?? []
  if (!Object.hasOwn(handlers, name ?? '')) throw new Status('UNIMPLEMENTED', `the probe has no ${event.type}`)
  return handlers[name](event, context)
}

function init() {
  if (process.env.PROBE_INIT) throw new Status(process.env.PROBE_INIT, 'PROBE_INIT asks for this')
}

serve(handler, { init, manifest: JSON.parse(fs.readFileSync(new URL('function.json', import.meta.url))) })
