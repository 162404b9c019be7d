// FSI, the FaaS Stdio Interface, for Node.js 18 and later. Copy this file beside your handler; it needs nothing else.
//
//     import { serve, Status } from './faas.mjs'     // first: what later imports print then goes to the log
//
//     serve(async (event, context) => ({             // an object: CloudEvents attributes by name, and `data`
//       type: 'greeting', datacontenttype: 'text/plain', data: `hello ${event.data}`
//     }))
//
// A handler returns an event, nothing, or an iterable of events (it may be an async generator), and fails by throwing a Status.
// `data` is a Uint8Array (binary), a string (text, or a JSON string under a JSON content type) or any other JSON value. A result
// without `id`, `source` or `specversion` gets one. A handler that runs for long looks at `context.signal`, and awaits now and
// then: JavaScript has one thread, and while a handler computes nobody reads the cancel that may be waiting.
// Modes: stream, structured, binary. Encodings: json, and protobuf where the package `protobufjs` (8.8 or later) is installed.
//
// In this order: stdin and stdout, statuses and context, the stream's loop, the one-shot modes, events, JSON, Protobuf.
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import net from 'node:net'
import tty from 'node:tty'

const env = process.env
const LIMIT = Number(env.FAAS_MAX_MESSAGE_BYTES || 16 << 20)
const CONCURRENCY = Number(env.FAAS_CONCURRENCY || 1)
const CHUNKS = (env.FAAS_FEATURES ?? '').split(',').includes('chunks')

// ---- stdin and stdout

// What user code prints must never become the protocol. Node has no dup2, but open(2) takes the lowest free number: so a pipe
// is opened anew (close-on-exec, as all that Node opens), then its old number is closed and at once opened again, 0 as
// /dev/null and 1 as stderr. That holds for console.log, for fs.writeSync(1) and for child processes alike.
// What can't be opened a second time with the same effect (a file, which would get a position of its own; a socket; a pipe that
// belongs to another user) is moved by starting Node again with its streams on 3 and 4, which Node keeps from its children
// as well. That costs a process that waits, and the time to start another.
function guard() {
  if (env.FAAS_NODE_MOVED) {
    delete env.FAAS_NODE_MOVED
    return { input: 3, output: 4, watched: 4 }
  }
  let input, output, watched
  try {
    for (const fd of [0, 1, 2]) {
      const stat = fs.fstatSync(fd)
      if (!stat.isFIFO() && !stat.isCharacterDevice()) throw new Error(`descriptor ${fd} is no pipe`)
      fs.closeSync(fs.openSync(`/dev/fd/${fd}`, fd ? 'a' : 'r'))
    }
    input = fs.openSync('/dev/fd/0', 'r')
    output = fs.openSync('/dev/fd/1', 'a')
    watched = fs.openSync('/dev/fd/1', 'a')
  } catch {
    const { status } = spawnSync(process.execPath, [...process.execArgv, ...process.argv.slice(1)],
      { stdio: ['ignore', 2, 2, 0, 1], env: { ...env, FAAS_NODE_MOVED: '1' } })
    process.exit(status ?? 70)
  }
  for (const [fd, path, flags] of [[0, '/dev/null', 'r'], [1, '/dev/fd/2', 'a']]) {
    fs.closeSync(fd)
    if (fs.openSync(path, flags) !== fd) throw new Error(`descriptor ${fd} was taken while it was being moved`)
  }
  return { input, output, watched }
}

// At the import, so that what comes after it is guarded too; but not in a process that no runtime started, such as a test.
let streams = 'FAAS_MODE' in env ? guard() : undefined

// Synchronous: the tail of a large reply can't be lost by an exit, and a full pipe holds the function back.
function put(bytes) {
  for (let at = 0; at < bytes.length;) {
    try {
      at += fs.writeSync(streams.output, bytes, at)
    } catch (error) {
      if (error.code === 'EPIPE') process.exit(141)        // as a shell reports SIGPIPE, which Node can't die of
      if (error.code !== 'EAGAIN') throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
    }
  }
}

function opened(fd) {
  const stat = fs.fstatSync(fd)
  if (tty.isatty(fd)) return new tty.ReadStream(fd)
  if (stat.isFIFO() || stat.isSocket()) return new net.Socket({ fd, readable: true, writable: false })
  return fs.createReadStream(null, { fd })
}

// A closed stdout is noticed also while nothing is written: an attempt to read from it fails as soon as its reader is gone.
// Node's public classes don't read from what is open for writing only, hence the binding; without it, the next write finds out.
function watch(fd) {
  if (!fs.fstatSync(fd).isFIFO()) return                   // a socket may be stdin as well, and tells by its EOF there
  try {
    const { TCP, constants } = process.binding('tcp_wrap')
    const handle = new TCP(constants.SOCKET), gone = () => process.exit(141)
    if (handle.open(fd) === 0) new net.Socket({ handle }).on('error', gone).on('end', gone).resume().unref()
  } catch {}
}

// Exits when stderr has been written: to a pipe that is full Node writes it later, and process.exit would lose it.
function leave(code) {
  setTimeout(() => process.exit(code), 2000)
  process.stderr.write('', () => process.exit(code))
  return new Promise(() => {})
}

// ---- Statuses and context

const CODES = ['OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS', 'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS',
  'UNAUTHENTICATED']
const EXITS = { OK: 0, INVALID_ARGUMENT: 65, UNAVAILABLE: 69, INTERNAL: 70, PERMISSION_DENIED: 77, FAILED_PRECONDITION: 78 }
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/

// How a call failed; a handler throws it.
export class Status extends Error {
  constructor(code, message = '', details = {}) {
    super(message)
    this.code = CODES.includes(code) ? code : 'UNKNOWN'
    this.details = details
  }

  wire() {
    const details = Object.entries(this.details ?? {}).filter(([name]) => /^[a-z0-9-]+$/.test(name))
    const size = details.reduce((sum, [name, value]) => sum + name.length + Buffer.byteLength(value), 0)
    return {
      code: this.code,
      ...(this.message && { message: Buffer.from(this.message).subarray(0, 4096).toString().replace(/\uFFFD$/, '') }),
      ...(details.length && size <= 8192 && { details: Object.fromEntries(details) })
    }
  }
}

class Malformed extends Error {}                           // the input lost its place: nothing that follows can be trusted
class Invalid extends Error {}                             // what was decoded, or what a handler returned, is no CloudEvent
class Ended extends Error {}                               // nobody wants what the handler still has to say

const ok = (status) => (status.code ?? 'OK') === 'OK'
const quote = (bytes) => JSON.stringify(bytes.subarray(0, 60).toString()).replace(/[^ -~]/g, '?').slice(0, 80)
const show = (value) => (JSON.stringify(value) ?? String(value)).slice(0, 60)

// The status of whatever came out of a handler.
function failure(error) {
  if (error instanceof Status) return error
  console.error(error)
  return new Status('INTERNAL', String(error))
}

// How the invocation runs. `signal` is aborted when nobody wants the result any more.
class Context {
  #abort = new AbortController()
  #prefix
  #results = 0

  constructor(fields) {
    for (const name of ['invocationId', 'traceparent', 'tracestate', 'baggage']) this[name] = fields[name] ?? ''
    this.attempt = fields.attempt ?? 0
    this.deadlineMs = fields.deadlineMs
    this.extra = fields.extra ?? {}
    this.signal = this.#abort.signal
  }

  cancel() {
    this.#abort.abort()
  }

  check() {
    const texts = [this.invocationId, this.traceparent, this.tracestate, this.baggage, ...Object.values(this.extra)]
    if (texts.some((text) => UNPRINTABLE.test(text)) || (this.traceparent && !TRACEPARENT.test(this.traceparent)) ||
        !Object.keys(this.extra).every((name) => /^[A-Z][A-Z0-9_]*$/.test(name))) {
      throw new Status('INVALID_ARGUMENT', 'context: expected W3C trace fields, names of capitals, and no control characters')
    }
  }

  // A handler's result with what it left out. The id is the same in every attempt at the invocation.
  complete(event) {
    this.#prefix ??= this.invocationId || randomUUID()
    const source = `/${env.FAAS_FUNCTION || 'function'}`
    return check({ specversion: '1.0', id: `${this.#prefix}/${++this.#results}`, source, ...event })
  }
}

// ---- Stream mode

class Call {
  constructor(number, context) {
    this.number = number
    this.context = new Context(context ?? {})
    this.first = context === undefined ? {} : { context }  // still to be copied
    this.events = []                                       // [event or Status or null for the end, its size]
    this.held = 0
  }

  push(event, size = 0) {
    this.events.push([event, size])
    this.wake?.()
  }

  async next() {
    if (!this.events.length) await new Promise((wake) => { this.wake = wake })
    return this.events.shift()
  }
}

class Stream {
  calls = new Map()                                        // calls that are not over
  past = new Map()                                         // the last that were: number -> was it cancelled?
  waiting = []                                             // calls beyond FAAS_CONCURRENCY
  running = 0

  constructor(handler, codec) {
    Object.assign(this, { handler, codec })
  }

  async run(failed) {
    let code = 0
    setInterval(() => {}, 2 ** 30)                         // Node exits when it has nothing to wait for; a promise doesn't count
    watch(streams.watched)
    process.on('SIGTERM', () => {
      this.leaving = true
      this.endAll(new Status('UNAVAILABLE', 'the function was terminated').wire())
      leave(EXITS.UNAVAILABLE)
    })
    const input = { eof: false }
    try {
      let greeted = false
      for await (const frame of frames(opened(streams.input), this.codec, input)) {
        // At concurrency 1 a function holds back by not reading; above 1 it never does for one call's sake.
        while (this.leaving || (CONCURRENCY === 1 && this.held(true) + this.held(false) > LIMIT && !this.wants())) await new Promise((resume) => { this.resume = resume })
        const message = this.codec.message(frame)
        if (greeted) this.receive(message, frame.length)
        else await this.greet(message, frame, failed)
        greeted = true
      }
      if (!greeted) await this.greet({ hello: { status: new Status('UNAVAILABLE', 'the input ended before its hello').wire() } })
    } catch (error) {
      if (!(error instanceof Malformed)) throw error
      console.error(`malformed input: ${error.message}`)
      code = 65
      if (!input.eof) await leave(code)
    }
    const calls = [...this.calls.values()]                 // the drain: finish what is complete, give up the rest
    for (const call of calls) {
      if (!call.inputEnded && !call.dropping) this.stop(call, new Status('ABORTED', 'the input ended before the call did').wire())
    }
    await Promise.all(calls.filter((call) => !call.ended && !call.stopped).map((call) => call.done))
    this.endAll()
    await leave(code)
  }

  // Bytes of input of the calls that run, or of those beyond FAAS_CONCURRENCY, which wait for their turn.
  held(running) {
    const calls = [...this.calls.values()].filter((call) => Boolean(call.started) === running && !call.ended)
    return calls.reduce((sum, call) => sum + call.held, 0)
  }

  // Whether a call that runs may still get input, so that nothing that waits for its turn may stand before that.
  wants() {
    return [...this.calls.values()].some((call) => call.started && !call.ended && !call.inputEnded && call.held <= LIMIT)
  }

  // The hello: after our initialisation and after theirs was read, whose failure is ours as well.
  greet(message, frame, failed) {
    const { call = 0, hello } = message
    if (!hello || call !== 0 || Object.keys(message).some((name) => !['call', 'hello'].includes(name))) {
      throw new Malformed(`expected a hello, got ${quote(frame)}`)
    }
    let status = hello.status ?? {}
    if (ok(status) && hello.fsi?.split('.')[0] !== '1') {
      status = new Status('FAILED_PRECONDITION', `expected FSI 1, got ${show(hello.fsi)}`).wire()
    }
    if (ok(status) && failed) status = failed.wire()
    put(this.codec.pack({ hello: { fsi: '1.0', producer: 'faas.mjs', ...(!ok(status) && { status }) } }))
    if (!ok(status)) return leave(EXITS[status.code] ?? 1)
  }

  // One message, by the table of spec/messages.md: the state of a call, as a function sees it.
  receive(m, size) {
    const { call: number = 0 } = m
    const known = Object.keys(m).filter((name) => name !== 'call' && Object.hasOwn(SHAPE, name))
    if (!(number >= 0 && number < 2 ** 52) || known.includes('hello') || (number === 0 && known.length)) {
      throw new Malformed(`expected a call from 1 to 2^52-1 and one hello, got ${Object.keys(m)} on call ${number}`)
    }
    let call = this.calls.get(number)
    if (this.past.get(number)) return                      // cancelled: whatever follows is dropped
    if (['event', 'chunk', 'end'].some((name) => name in m)) call = this.input(number, call, m, size)
    // The last field, whatever stands before it.
    if (m.cancel) this.cancel(call ?? new Call(number, m.context), m.cancel)
  }

  // The event, chunk and end of a message. Gives the call.
  input(number, call, m, size) {
    const { end } = m
    if (this.past.has(number) || call?.inputEnded) {
      throw new Malformed(`call ${number}: expected nothing after its end, got ${Object.keys(m)}`)
    }
    if (!call) {
      this.calls.set(number, call = new Call(number, m.context))
      this.attempt(call, () => call.context.check())
      this.start(call)
    }
    if (end && !ok(end)) {
      call.unfinished = undefined
      this.stop(call, end)
    } else if (!call.ended && !call.dropping) {
      this.attempt(call, () => this.assemble(call, m, size))
      if (end && call.unfinished) throw new Malformed(`call ${number}: expected the rest of an event, got its end`)
    }
    if (end) {
      call.inputEnded = true
      call.push(null)
      this.settle(call)
    }
    return call
  }

  // What is wrong with one call costs that call alone: an event after those before it, anything else at once.
  attempt(call, action) {
    try {
      action()
    } catch (error) {
      if (error instanceof Malformed) throw error
      call.dropping = true
      call.unfinished = undefined
      if (error instanceof Status) this.stop(call, error.wire())
      else call.push(new Status('INVALID_ARGUMENT', error.message))
    }
  }

  // Hands an event to the worker as soon as it is complete.
  assemble(call, m, size) {
    const [expected, other] = call.unfinished ? ['chunk', 'event'] : ['event', 'chunk']
    if (other in m) throw new Malformed(`call ${call.number}: expected ${expected} and no ${other}, got ${Object.keys(m)}`)
    if (!(expected in m)) return
    if (m.event instanceof Invalid) throw m.event
    call.unfinished ??= { event: m.event, chunks: [], size }
    if (m.chunk) {
      call.unfinished.chunks.push(m.chunk)
      call.unfinished.size += m.chunk.length
    }
    if ((CONCURRENCY > 1 ? call.held : 0) + call.unfinished.size > LIMIT) {
      throw new Status('RESOURCE_EXHAUSTED', `expected at most ${LIMIT} bytes to hold for the call, got more`)
    }
    if (!call.started && this.held(false) + call.unfinished.size > LIMIT && this.wants()) {
      throw new Status('RESOURCE_EXHAUSTED', `expected at most ${LIMIT} bytes to hold for calls that wait for their turn, got more`)
    }
    if (m.more) return
    const { event, chunks, size: total } = call.unfinished
    call.unfinished = undefined
    call.held += total
    call.push(this.codec.settle(joined(event, chunks)), total)
  }

  cancel(call, cancel) {
    put(this.codec.pack({ call: call.number, ...(!call.ended && call.first), cancel }))
    call.first = {}
    this.past.set(call.number, true)
    if (this.calls.has(call.number)) this.stop(call, new Status('CANCELLED', cancel.reason || 'cancelled').wire())
    this.settle(call)
  }

  // Tells the handler. The end is written when it has returned, since only then the work has stopped.
  stop(call, status) {
    call.stopped ??= status
    call.context.cancel()
    call.push(null)
    if (!call.started && !call.ended) this.send(call, { end: call.stopped })
  }

  // A call that is over is forgotten, but for its number.
  settle(call) {
    if (call.ended && (call.inputEnded || this.past.get(call.number))) {
      this.calls.delete(call.number)
      if (!this.past.has(call.number)) this.past.set(call.number, false)
    }
    if (this.past.size > 2000) this.past.delete(this.past.keys().next().value)
  }

  start(call) {
    call.done = new Promise((done) => { call.finish = done })
    if (this.running >= CONCURRENCY) return this.waiting.push(call)
    this.running++
    this.work(call)
  }

  // The handler on each event in order, then the end; then the next call that waits.
  async work(call) {
    let end = {}
    call.started = true
    try {
      while (!call.stopped) {
        const [event, size] = await call.next()
        call.held -= size
        this.resume?.()
        if (event === null) break
        if (event instanceof Status) throw event
        const results = await this.handler(event, call.context)
        const last = isEvent(results) && call.inputEnded && call.events.length === 1 && !call.stopped
        for await (const result of isEvent(results) ? [results] : results ?? []) this.emit(call, result, last && { end })
        if (last) break                                    // the usual call: one message, one write
      }
    } catch (error) {
      if (!(error instanceof Ended)) end = failure(error).wire()
    }
    if (!call.ended) this.send(call, { end: call.stopped ?? end })
    call.finish()
    this.running--
    let next
    while ((next = this.waiting.shift())?.ended) next.finish()
    if (next) this.start(next)
  }

  emit(call, result, end) {
    const event = call.context.complete(result)
    try {
      return this.send(call, { event, ...end })
    } catch (error) {                                      // too large for one message
      if (!(error instanceof Status) || !CHUNKS || event.data === undefined) throw error
    }
    const [head, data] = this.codec.split(event)
    this.send(call, { event: head, more: true })
    const step = Math.max(1, Math.min(1 << 18, Math.floor((LIMIT - 64) * 3 / 4)))
    for (let at = 0; at < data.length; at += step) {
      this.send(call, { chunk: data.subarray(at, at + step), ...(at + step < data.length ? { more: true } : end) })
    }
  }

  send(call, fields) {
    if (call.ended || (call.stopped && fields.end !== call.stopped)) throw new Ended()
    put(this.codec.pack({ call: call.number, ...call.first, ...fields }))
    call.first = {}
    if (fields.end) {
      call.ended = true
      this.settle(call)
    }
  }

  endAll(status) {
    for (const call of this.calls.values()) {
      if (call.ended) continue
      call.stopped = status ?? call.stopped
      this.send(call, { end: call.stopped })
    }
  }
}

const isEvent = (results) => typeof results === 'object' && results !== null && !(Symbol.iterator in results || Symbol.asyncIterator in results)

// Whole documents or messages of a stream of bytes.
async function* frames(input, codec, state = {}) {
  let parts = [], have = 0
  const cut = function* () {
    let buffer = Buffer.concat(parts), frame
    while ((frame = codec.cut(buffer, state.eof))) {
      buffer = buffer.subarray(frame.next)
      if (frame.bytes) yield frame.bytes
    }
    parts = [buffer]
    have = buffer.length
  }
  for await (const data of input) {
    parts.push(data)
    have += data.length
    if (codec.worthwhile(data, have)) yield* cut()
  }
  state.eof = true
  yield* cut()
  if (have) throw new Malformed(`expected a message to its end, got EOF after ${have} bytes`)
}

// ---- One process, one invocation

async function oneShot(handler, codec) {
  const extra = prefixed('FAAS_X_')
  const number = (name) => env[name] ? Number(env[name]) : undefined
  const context = new Context({
    invocationId: env.FAAS_INVOCATION_ID, attempt: number('FAAS_ATTEMPT'), deadlineMs: number('FAAS_DEADLINE_MS'),
    traceparent: env.TRACEPARENT, tracestate: env.TRACESTATE, baggage: env.BAGGAGE, extra
  })
  context.check()
  const run = async function* (event) {
    const results = await handler(event, context)
    for await (const result of isEvent(results) ? [results] : results ?? []) yield context.complete(result)
  }
  const input = opened(streams.input)
  if (codec) {
    for await (const frame of frames(input, codec)) {
      const event = codec.document(frame)
      if (event instanceof Invalid) throw new Status('INVALID_ARGUMENT', event.message)
      for await (const result of run(event)) put(codec.packDocument(result))
    }
    return
  }
  const parts = [], results = []
  for await (const data of input) parts.push(data)
  for await (const result of run(binaryEvent(Buffer.concat(parts)))) results.push(result)
  if (results.length > 1) throw new Status('INTERNAL', `expected at most one result in binary mode, got ${results.length}`)
  if (results.length) put(asBytes(results[0]))
}

function prefixed(prefix) {
  const entries = Object.entries(env).filter(([name]) => name.startsWith(prefix))
  return Object.fromEntries(entries.map(([name, value]) => [name.slice(prefix.length), value]))
}

function binaryEvent(data) {
  const event = Object.fromEntries(Object.entries(prefixed('CE_')).map(([name, value]) => [name.toLowerCase(), value]))
  if (!data.length) return event
  try {
    if (isJson(event)) return { ...event, data: JSON.parse(utf8.decode(data)) }
    if (event.datacontenttype?.startsWith('text/')) return { ...event, data: utf8.decode(data) }
  } catch {}                                               // then it is bytes, as a host reads our stdout
  return { ...event, data }
}

function asBytes(event) {
  const { data = '' } = event
  return data instanceof Uint8Array ? data : Buffer.from(typeof data === 'string' && !isJson(event) ? data : stringify(data))
}

// Runs the function, in the mode and encoding that the environment names. `init` is called first and may throw a Status;
// `manifest`, an object, is what FAAS_MODE=describe prints.
export async function serve(handler, { init, manifest } = {}) {
  const mode = env.FAAS_MODE ?? 'structured', encoding = env.FAAS_ENCODING ?? 'json'
  streams ??= guard()
  try {
    if (mode === 'describe' && manifest) {
      put(Buffer.from(JSON.stringify(manifest) + '\n'))
      await leave(0)
    }
    if (!['stream', 'structured', 'binary'].includes(mode)) {
      throw new Status('FAILED_PRECONDITION', `FAAS_MODE: expected stream, structured or binary, got ${mode}`)
    }
    if (mode !== 'binary' && !['json', 'protobuf'].includes(encoding)) {
      throw new Status('FAILED_PRECONDITION', `FAAS_ENCODING: expected json or protobuf, got ${encoding}`)
    }
    const codec = mode === 'binary' ? undefined : encoding === 'json' ? new Json() : new Protobuf(mode === 'stream')
    const failed = await Promise.resolve().then(init).then(() => undefined, failure)
    if (mode === 'stream') await new Stream(handler, codec).run(failed)
    if (failed) throw failed
    await oneShot(handler, codec)
    await leave(0)
  } catch (error) {
    if (error instanceof Malformed) {
      console.error(`malformed input: ${error.message}`)
      return leave(65)
    }
    const status = failure(error)
    console.error(status.message || status.code)
    return leave(EXITS[status.code] ?? 1)
  }
}

// ---- Events are objects. What JSON can't tell of the types of attributes is kept under a symbol, which spreading copies.

const types = Symbol('types of attributes')
const REQUIRED = ['id', 'source', 'specversion', 'type']
const NAMED = {
  __proto__: null, id: 'string', source: 'string', specversion: 'string', type: 'string', subject: 'string', datacontenttype: 'string',
  dataschema: 'uri', time: 'timestamp'
}
const NONCHARACTERS = Array.from({ length: 17 }, (_, plane) => `\\u{${plane.toString(16)}fffe}\\u{${plane.toString(16)}ffff}`).join('')
const UNPRINTABLE = new RegExp(`[\\0-\\x1f\\x7f-\\x9f\\ud800-\\udfff\\ufdd0-\\ufdef${NONCHARACTERS}]`, 'u')
const SCHEME = '[A-Za-z][A-Za-z0-9+.-]*:', REST = "(?:[A-Za-z0-9._~!$&'()*+,;=:@/?\\[\\]-]|%[0-9A-Fa-f]{2})*"
const URI = new RegExp(`^${SCHEME}${REST}(#${REST})?$`), URI_REF = new RegExp(`^(${SCHEME}|(?![^/?#]*:))${REST}(#${REST})?$`)
const CLOCK = '([01]\\d|2[0-3]):([0-5]\\d)'
const TIME = new RegExp(`^(\\d{4})-(\\d\\d)-(\\d\\d)[Tt]${CLOCK}:([0-5]\\d|60)(?:\\.(\\d{1,9}))?(?:[Zz]|([+-])${CLOCK})$`)

// Seconds and nanoseconds since the epoch. A leap second is the first instant of the next minute.
function instant(text) {
  const [, year, month, day, hour, minute, second, fraction = '', sign, hours, minutes] = TIME.exec(text) ?? []
  const date = new Date(0)
  date.setUTCFullYear(Number(year), month - 1, Number(day))
  if (!year || year === '0000' || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== Number(day)) {
    throw new Invalid(`expected a time after RFC 3339, got ${show(text)}`)
  }
  const offset = sign ? Number(sign + 1) * (hours * 60 + Number(minutes)) * 60 : 0
  return { seconds: date / 1000 + hour * 3600 + minute * 60 + Number(second) - offset, nanos: Number(fraction.padEnd(9, '0')) }
}

function isJson({ datacontenttype }, absent = false) {
  return datacontenttype === undefined ? absent : /^\s*[^;/]+\/([^;]*\+)?json\s*(;|$)/i.test(datacontenttype)
}

// The event, if it is one.
function check(event) {
  for (const name of REQUIRED) if (!event[name]) throw new Invalid(`${name}: expected a value, got none`)
  for (const [name, value] of Object.entries(event)) {
    if (name === 'data' || value === undefined) continue
    if (!/^[a-z0-9]+$/.test(name) || (name in NAMED && (typeof value !== 'string' || !value))) {
      throw new Invalid(`expected an attribute of CloudEvents, got ${name}: ${show(value)}`)
    }
    if (typeof value === 'string') {
      if (UNPRINTABLE.test(value) || (name === 'specversion' && value !== '1.0')) {
        throw new Invalid(`${name}: expected ${name === 'specversion' ? '1.0' : 'printable text'}, got ${show(value)}`)
      }
      if ((name === 'source' && !URI_REF.test(value)) || (name === 'dataschema' && !URI.test(value))) {
        throw new Invalid(`${name}: expected a URI, got ${show(value)}`)
      }
      if (name === 'time') instant(value)
    } else if (!(typeof value === 'boolean' || value === (value | 0) || value instanceof Uint8Array)) {
      throw new Invalid(`${name}: expected text, bytes, a boolean or 32 bits, got ${show(value)}`)
    }
  }
  return event
}

function joined(event, chunks) {
  if (!chunks.length) return event
  const { data: first = new Uint8Array() } = event
  if (typeof first !== 'string' && !(first instanceof Uint8Array)) throw new Invalid('data in pieces: expected text or binary data')
  const data = Buffer.concat([Buffer.from(first), ...chunks])
  try {
    return { ...event, data: typeof first === 'string' ? utf8.decode(data) : data }
  } catch {
    throw new Invalid('text in pieces: expected UTF-8')
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function fits(bytes, size) {
  if (size > LIMIT) throw new Status('RESOURCE_EXHAUSTED', `expected a result of at most ${LIMIT} encoded bytes, got ${size}`)
  return bytes
}

// ---- JSON: one line for each message or event

const STATUS = { code: 'string', message: 'string', details: { '*': 'string' } }
const SHAPE = {
  call: [0, 2 ** 52 - 1], event: {}, chunk: 'string', more: 'boolean', end: STATUS, cancel: { reason: 'string' },
  hello: { fsi: 'string', producer: 'string', status: STATUS },
  context: {
    invocationId: 'string', attempt: [0, 2 ** 32 - 1], deadlineMs: [-(2 ** 63), 2 ** 63],
    traceparent: 'string', tracestate: 'string', baggage: 'string', extra: { '*': 'string' }
  }
}

const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y

// What JSON.parse doesn't say: nesting is at most 128 deep, and outside the event's data, whose path is `where`, no name stands
// twice. Returns the paths of the numbers outside that have a fraction or an exponent, for those are no integers; and the text
// of the data if there are numbers in it that JavaScript would write in another way.
function inspect(text, where) {
  const stack = [], fractions = new Set()
  let string, from = 0, to = where ? undefined : text.length, inexact = false
  for (let i = 0; i < text.length; i++) {
    const c = text[i], top = stack.at(-1)
    if (c === '"') {
      const start = i
      for (let escaped = true; escaped;) {
        i = text.indexOf('"', i + 1)
        let backslashes = 0
        while (text[i - 1 - backslashes] === '\\') backslashes++
        escaped = backslashes % 2 === 1
      }
      string = [start, i + 1]
    } else if (c === ':') {
      top.name = JSON.parse(text.slice(...string))
      if (!top.data && top.names.has(top.name)) throw new Malformed(`expected each name once, got ${show(top.name)} twice`)
      top.names.add(top.name)
      if (top.path + top.name === where) from = i + 1
    } else if (c === '{' || c === '[') {
      const path = top ? `${top.path}${top.name ?? ''}.` : ''
      stack.push({ names: new Set(), path, data: top ? top.data || top.path + top.name === where : !where })
      if (stack.length > 128) throw new Malformed('expected JSON at most 128 deep, got it deeper')
    } else if (c === ',' || c === '}' || c === ']') {
      if (top.path + top.name === where) to = i
      if (c !== ',') stack.pop()
      else top.name = undefined
    } else if (c === '-' || (c >= '0' && c <= '9')) {
      NUMBER.lastIndex = i
      const [token] = NUMBER.exec(text)
      i += token.length - 1
      if (!top || top.data || top.path + top.name === where) inexact ||= String(Number(token)) !== token
      else if (/[.eE]/.test(token)) fractions.add(`${top.path}${top.name}`)
    }
  }
  return { fractions, verbatim: inexact ? text.slice(from, to) : undefined }
}

// JSON data as it was read, for as long as it still has that value: numbers keep the digits that JavaScript has no room for.
const verbatims = new WeakMap()

function remember(data, text) {
  if (text !== undefined && typeof data === 'object' && data !== null) verbatims.set(data, text)
  return data
}

function stringify(data) {
  const text = JSON.stringify(data), verbatim = verbatims.get(data)
  return verbatim !== undefined && JSON.stringify(JSON.parse(verbatim)) === text ? verbatim : text
}

const MARK = randomUUID()                                  // stands for data in an object that is about to become JSON

// Throws for a member that is there in another type than SHAPE has it: a type's name, a range of integers, or a shape.
function shaped(value, shape, path, fractions) {
  const isRange = Array.isArray(shape), isShape = typeof shape === 'object' && !isRange
  const fits = isRange ? Number.isInteger(value) && value >= shape[0] && value <= shape[1] && !fractions.has(path)
    : isShape ? typeof value === 'object' && value !== null && !Array.isArray(value) : typeof value === shape
  if (!fits) {
    const expected = isRange ? `an integer from ${shape[0]} to ${shape[1]}` : isShape ? 'an object' : shape
    throw new Malformed(`${path || 'line'}: expected ${expected}, got ${show(value)}`)
  }
  for (const [name, item] of isShape ? Object.entries(value) : []) {
    const of = Object.hasOwn(shape, name) ? shape[name] : shape['*']
    if (of) shaped(item, of, path ? `${path}.${name}` : name, fractions)
  }
}

function fromBase64(text) {
  const bytes = Buffer.from(typeof text === 'string' ? text : '', 'base64')
  if (bytes.toString('base64') !== text) throw new Invalid(`expected base64, got ${show(text)}`)
  return bytes
}

class Json {
  #started = false
  #data                                                    // the text that goes where MARK stands

  worthwhile(data, have) {
    return data.includes(10) || have > LIMIT || !this.#started
  }

  cut(buffer, eof) {
    const end = buffer.indexOf(10)
    const size = end < 0 ? buffer.length : end
    if (size > LIMIT) throw new Malformed(`expected a line of at most ${LIMIT} bytes, got more`)
    const bytes = buffer.subarray(0, size)
    const first = bytes.findIndex((byte) => !' \t\r'.includes(String.fromCharCode(byte))), empty = first < 0
    if (!empty && !this.#started && bytes[first] !== 123) throw new Malformed(`expected a JSON object, got ${quote(bytes)}`)
    if (end < 0 && !(eof && buffer.length)) return
    this.#started ||= !empty
    return { next: size + 1, bytes: empty ? undefined : bytes }
  }

  load(line, where) {
    let text, value
    try {
      text = utf8.decode(line)
      value = JSON.parse(text)
    } catch (error) {
      throw new Malformed(`expected JSON, got ${quote(line)}: ${error.message}`)
    }
    shaped(value, {}, '')
    return [value, inspect(text, where)]
  }

  message(line) {
    const [message, { fractions, verbatim }] = this.load(line, 'event.data')
    shaped(message, SHAPE, '', fractions)
    try {
      if ('chunk' in message) message.chunk = fromBase64(message.chunk)
    } catch (error) {
      throw new Malformed(`chunk: ${error.message}`)
    }
    for (const status of [message.end, message.hello?.status]) {
      if (status && !CODES.includes(status.code ?? 'OK')) status.code = 'UNKNOWN'
    }
    if ('event' in message) message.event = this.event(message.event, fractions, 'event.', verbatim)
    return message
  }

  document(line) {
    const [event, { fractions, verbatim }] = this.load(line, 'data')
    return this.event(event, fractions, '', verbatim)
  }

  // The event, or the Invalid that says why it is none.
  event(object, fractions, path, verbatim) {
    const { data, data_base64: encoded, ...attributes } = object
    const event = Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== null))
    try {
      check(event)
      for (const name in event) if (fractions.has(path + name)) throw new Invalid(`${name}: expected an integer, got ${event[name]}`)
      const binary = encoded !== undefined && encoded !== null
      if (data !== undefined && (binary || (typeof data !== 'string' && !isJson(event, true)))) {
        throw new Invalid('data: expected one form of it, and JSON values only under a JSON datacontenttype')
      }
      if (binary) event.data = fromBase64(encoded)
      else if (data !== undefined) event.data = remember(data, verbatim)
      return event
    } catch (error) {
      return error
    }
  }

  settle(event) {
    return event
  }

  // The event with an empty first piece, and its data as bytes; JSON data goes as the bytes of its text.
  split(event) {
    const { data } = event
    if (typeof data === 'string' && !isJson(event, true)) return [{ ...event, data: '' }, Buffer.from(data)]
    if (data instanceof Uint8Array) return [{ ...event, data: new Uint8Array() }, data]
    return [{ datacontenttype: 'application/json', ...event, data: new Uint8Array() }, Buffer.from(stringify(data))]
  }

  pack(message) {
    const fields = { ...message }
    if (fields.event) fields.event = this.plain(fields.event)
    if (fields.chunk) fields.chunk = base64(fields.chunk)
    return this.line(fields)
  }

  packDocument(event) {
    return this.line(this.plain(event))
  }

  plain({ data, ...attributes }) {
    for (const name in attributes) if (attributes[name] instanceof Uint8Array) attributes[name] = base64(attributes[name])
    if (data instanceof Uint8Array) return { ...attributes, data_base64: base64(data) }
    this.#data = verbatims.has(data) ? stringify(data) : undefined
    return { ...attributes, data: this.#data === undefined ? data : MARK }
  }

  line(value) {
    const text = JSON.stringify(value), data = this.#data
    this.#data = undefined
    const bytes = Buffer.from((data === undefined ? text : text.replace(`"${MARK}"`, () => data)) + '\n')
    return fits(bytes, bytes.length - 1)
  }
}

const base64 = (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')

// ---- Protobuf: what schemas/proto/ defines, written here so that one file is enough. Names are those of the JSON encoding.

const SCHEMA = `
syntax = "proto3";
message Message {
  uint64 call = 1; Context context = 2; Event event = 3; optional bytes chunk = 4; bool more = 5; Status end = 6; Cancel cancel = 7;
  Hello hello = 31;
}
message Context {
  string invocationId = 1; uint32 attempt = 2; optional int64 deadlineMs = 3;
  string traceparent = 4; string tracestate = 5; string baggage = 6; map<string, string> extra = 7;
}
message Status { uint32 code = 1; string message = 2; map<string, string> details = 3; }
message Cancel { string reason = 1; }
message Hello { string fsi = 1; string producer = 2; Status status = 3; }
message Event {
  string id = 1; string source = 2; string specversion = 3; string type = 4; map<string, Value> attributes = 5;
  oneof data { bytes binary = 6; string text = 7; Any proto = 8; }
}
message Value {
  oneof is {
    bool boolean = 1; int32 integer = 2; string string = 3; bytes bytes = 4; string uri = 5; string uriref = 6; Timestamp timestamp = 7;
  }
}
message Any { string type_url = 1; bytes value = 2; }
message Timestamp { int64 seconds = 1; int32 nanos = 2; }`

// Data that is a Protobuf message.
export class Proto {
  constructor(typeUrl, value) {
    Object.assign(this, { typeUrl, value })
  }
}

class JsonText {                                           // text that is JSON already, or a piece of it
  constructor(text) {
    this.text = text
  }
}

class Protobuf {
  #need = 1
  #started

  constructor(stream) {
    this.#started = !stream
    let protobuf
    try {
      protobuf = createRequire(process.argv[1])('protobufjs') // it belongs to the function, wherever this file lies
    } catch (error) {
      const [why] = error.message.split('\n')
      throw new Status('FAILED_PRECONDITION', `FAAS_ENCODING=protobuf needs the package protobufjs: ${why}`)
    }
    const { root } = protobuf.parse(SCHEMA, { keepCase: true })
    this.Message = root.lookupType('Message')
    this.Event = root.lookupType('Event')
  }

  worthwhile(data, have) {
    return have >= this.#need
  }

  cut(buffer) {
    let size = 0, at = 0, byte
    do {
      if (at === 5) throw new Malformed(`expected a length of at most five bytes, got ${quote(buffer)}`)
      if (at === buffer.length) return this.#more(at + 1)
      byte = buffer[at]
      size += (byte & 127) * 2 ** (7 * at++)
    } while (byte > 127)
    if (!this.#started && buffer.length >= at + 2 && buffer.readUInt16BE(at) !== 0xfa01) {
      throw new Malformed(`expected a hello, got ${quote(buffer)}`)
    }
    if (size > LIMIT) throw new Malformed(`expected a message of at most ${LIMIT} bytes, got ${size}`)
    if (buffer.length < at + size) return this.#more(this.#started ? at + size : at + 2)
    this.#started = true
    this.#need = 1
    return { next: at + size, bytes: buffer.subarray(at, at + size) }
  }

  #more(need) {
    this.#need = need
  }

  load(type, bytes) {
    try {
      return type.toObject(type.decode(bytes), { longs: Number, oneofs: true })
    } catch (error) {
      throw new Malformed(`expected ${type.name}, got ${quote(bytes)}: ${error.message}`)
    }
  }

  message(bytes) {
    const message = this.load(this.Message, bytes)
    for (const status of [message.end, message.hello?.status]) {
      if (status) status.code = CODES[status.code ?? 0] ?? 'UNKNOWN'
    }
    if (message.event) message.event = this.event(message.event)
    return message
  }

  document(bytes) {
    const event = this.event(this.load(this.Event, bytes))
    try {
      return event instanceof Invalid ? event : this.settle(event)
    } catch (error) {
      return error
    }
  }

  event({ attributes = {}, data: kind, binary, text, proto, ...required }) {
    const event = { ...required, [types]: {} }
    try {
      for (const [name, value] of Object.entries(attributes)) {
        if (!value.is || [...REQUIRED, 'data'].includes(name) || (name in NAMED && NAMED[name] !== value.is)) {
          throw new Invalid(`${name}: expected ${NAMED[name] ?? 'an attribute with a value'}, got ${value.is ?? 'no value'}`)
        }
        event[types][name] = value.is
        event[name] = value.is === 'timestamp' ? timestamp(value.timestamp) : value[value.is]
      }
      check(event)
      if (kind === 'proto') event.data = new Proto(proto.type_url ?? '', proto.value ?? Buffer.alloc(0))
      else if (kind) event.data = kind === 'text' ? text : binary
      return event
    } catch (error) {
      return error
    }
  }

  // JSON is text on the wire, and a value to the handler.
  settle(event) {
    if (typeof event.data !== 'string' || !isJson(event)) return event
    try {
      return { ...event, data: remember(JSON.parse(event.data), inspect(event.data, '').verbatim) }
    } catch (error) {
      throw new Invalid(`data: expected JSON: ${error.message}`)
    }
  }

  split(event) {
    if (event.data instanceof Proto) {
      throw new Status('RESOURCE_EXHAUSTED', 'expected data that can go in pieces, got a Protobuf message')
    }
    if (event.data instanceof Uint8Array) return [{ ...event, data: new Uint8Array() }, event.data]
    const { text, ...rest } = this.typed(event)
    return [{ ...rest, data: new JsonText('') }, Buffer.from(text)]
  }

  // Text and JSON data as text, the latter under an explicit content type.
  typed({ data, ...event }) {
    if (data === undefined) return event
    if (data instanceof Uint8Array) return { ...event, binary: data }
    if (data instanceof Proto) return { ...event, proto: { type_url: data.typeUrl, value: data.value } }
    if (data instanceof JsonText) return { ...event, text: data.text }
    if (typeof data === 'string' && !isJson(event)) return { ...event, text: data }
    return { datacontenttype: 'application/json', ...event, text: stringify(data) }
  }

  encode(event) {
    const { id, source, specversion, type, binary, text, proto, ...rest } = this.typed(event)
    const attributes = {}
    for (const [name, value] of Object.entries(rest)) {
      if (value === undefined) continue
      const natural = value instanceof Uint8Array ? 'bytes' : { boolean: 'boolean', number: 'integer' }[typeof value] ?? 'string'
      const kind = NAMED[name] ?? event[types]?.[name] ?? natural
      attributes[name] = { [kind]: kind === 'timestamp' ? instant(value) : value }
    }
    const data = binary ? { binary } : text !== undefined ? { text } : proto ? { proto } : {}
    return { id, source, specversion, type, attributes, ...data }
  }

  pack(message) {
    const fields = { ...message }
    const numbered = (status) => ({ ...status, code: CODES.indexOf(status.code ?? 'OK') || undefined })
    if (fields.end) fields.end = numbered(fields.end)
    if (fields.hello?.status) fields.hello = { ...fields.hello, status: numbered(fields.hello.status) }
    if (fields.event) fields.event = this.encode(fields.event)
    return this.delimited(this.Message, fields)
  }

  packDocument(event) {
    return this.delimited(this.Event, this.encode(event))
  }

  delimited(type, object) {
    const size = type.encode(object).finish().length
    return fits(type.encodeDelimited(object).finish(), size)
  }
}

function timestamp({ seconds = 0, nanos = 0 }) {
  const date = new Date(seconds * 1000)
  if (!(date.getUTCFullYear() >= 1 && date.getUTCFullYear() <= 9999) || nanos < 0 || nanos > 999999999) {
    throw new Invalid(`expected a time from the year 1 to 9999, got ${seconds} s and ${nanos} ns`)
  }
  const fraction = nanos ? '.' + String(nanos).padStart(9, '0').replace(/0+$/, '') : ''
  return `${date.toISOString().slice(0, 19)}${fraction}Z`
}
