// Applies a JSON Merge Patch (RFC 7396) to a document: what is null in the patch goes, what is there is put in its place.
import { serve, Status } from './faas.mjs'

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value)

function merged(document, patch) {
  if (!isObject(patch)) return patch
  // A map, not an object: a member named __proto__ is data like any other.
  const members = new Map(isObject(document) ? Object.entries(document) : [])
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) members.delete(name)
    else members.set(name, merged(members.get(name), value))
  }
  return Object.fromEntries(members)
}

serve((event, context) => {
  if (!isObject(event.data) || !('document' in event.data && 'patch' in event.data)) {
    throw new Status('INVALID_ARGUMENT', 'expected data with the members document and patch')
  }
  const { document, patch } = event.data
  return {
    type: 'org.example.document.patched',
    subject: event.subject ?? event.id,
    datacontenttype: 'application/json',
    data: merged(document, patch)
  }
})
