// Takes the access log of a web server apart: one event for each line that it understands, and one that counts the rest.
import { serve, Status } from './faas.mjs'

// The common log format: host, identity, user, [time], "request", status, bytes.
const LINE = /^(\S+) \S+ (\S+) \[(\d\d)\/(\w{3})\/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d\d)(\d\d)\] "(\S+) (\S+)[^"]*" (\d{3}) (\d+|-)/
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

serve(function * (event, context) {
  if (typeof event.data !== 'string') throw new Status('INVALID_ARGUMENT', 'expected the text of a log')
  let skipped = 0
  for (const line of event.data.split('\n').filter((line) => line.trim())) {
    if (context.signal.aborted) return
    const [, host, user, day, name, year, time, hours, minutes, method, path, status, bytes] = LINE.exec(line) ?? []
    const month = MONTHS.indexOf(name) + 1
    if (!month) {
      skipped++
      continue
    }
    yield {
      type: 'org.example.web.request',
      time: `${year}-${String(month).padStart(2, '0')}-${day}T${time}${hours}:${minutes}`,
      datacontenttype: 'application/json',
      data: { host, ...(user !== '-' && { user }), method, path, status: Number(status), bytes: bytes === '-' ? 0 : Number(bytes) }
    }
  }
  yield { type: 'org.example.web.log-read', subject: event.id, skipped }
})
