// CloudEvents 1.0 in Protobuf: what keeps encoded bytes from being an event.
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "wire.h"

void utf8_feed(uint32_t *state, struct span bytes)
{
    // The state is how many bytes the character still needs, and the bounds of the next one.
    for (size_t i = 0; i < bytes.size && *state != (uint32_t)UTF8_BAD; i++) {
        uint32_t b = bytes.at[i], more = *state & 0xff, low = *state >> 8 & 0xff, high = *state >> 16 & 0xff;
        if (more) *state = b < low || b > high ? (uint32_t)UTF8_BAD : more > 1 ? (more - 1) | 0xbf8000 : 0;
        else if (b < 0x80) *state = 0;
        else if (b < 0xc2 || b > 0xf4) *state = UTF8_BAD;
        else if (b < 0xe0) *state = 1 | 0xbf8000;
        else if (b < 0xf0) *state = 2 | (b == 0xe0 ? 0xbfa000 : b == 0xed ? 0x9f8000 : 0xbf8000);
        else *state = 3 | (b == 0xf0 ? 0xbf9000 : b == 0xf4 ? 0x8f8000 : 0xbf8000);
    }
}

static struct span string(struct span text)
{
    uint32_t state = 0;
    utf8_feed(&state, text);
    if (state) malformed("a string that is not UTF-8", 0);
    return text;
}

static bool is(struct span text, const char *expected) { return text.size == strlen(expected) && !memcmp(text.at, expected, text.size); }

// No control characters, no non-characters. The text is UTF-8.
static bool printable(struct span text)
{
    for (size_t i = 0; i < text.size;) {
        uint32_t c = text.at[i++];
        int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
        c &= 0xff >> (more ? more + 2 : 0);
        while (more--) c = c << 6 | (text.at[i++] & 0x3f);
        if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0xfdd0 && c < 0xfdf0) || (c & 0xfffe) == 0xfffe) return false;
    }
    return true;
}

static bool alphanumeric(uint8_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

static bool uri_reference(struct span text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.at[i];
        if (c == '%' && (text.size - i < 3 || !isxdigit(text.at[i + 1]) || !isxdigit(text.at[i + 2]))) return false;
        if (!alphanumeric(c) && (c == 0 || !strchr("-._~:/?#[]@!$&'()*+,;=%", c))) return false;
    }
    return true;
}

static bool absolute(struct span uri)
{
    const uint8_t *colon = memchr(uri.at, ':', uri.size);
    return uri_reference(uri) && colon && colon > uri.at && alphanumeric(uri.at[0]) && (uri.at[0] < '0' || uri.at[0] > '9');
}

// A media type whose subtype is json or ends in +json, whatever its parameters.
static bool json_type(struct span type)
{
    const uint8_t *end = memchr(type.at, ';', type.size), *slash;
    if (!end) end = type.at + type.size;
    while (end > type.at && (end[-1] == ' ' || end[-1] == '\t')) end--;
    slash = memchr(type.at, '/', end - type.at);
    return slash && end - slash > 4 && !strncasecmp((const char *)end - 4, "json", 4) && (end - slash == 5 || end[-5] == '+');
}

// One entry of the map of attributes.
static const char *attribute(struct span entry, struct event *event)
{
    enum { BOOLEAN = 1, INTEGER, STRING, BYTES, URI, URI_REFERENCE, TIMESTAMP };
    struct span name = string(find_bytes(entry, 1)), value = find_bytes(entry, 2), content = {0};
    uint32_t kind = 0;
    for (struct field f; next_field(&value, &f);)
        if (f.number <= TIMESTAMP && f.type == (f.number <= INTEGER ? 0 : 2)) kind = f.number, content = f.bytes;
    if (kind == STRING || kind == URI || kind == URI_REFERENCE) string(content);

    if (name.size == 0) return "an attribute without a name";
    for (size_t i = 0; i < name.size; i++)
        if (!alphanumeric(name.at[i]) || (name.at[i] >= 'A' && name.at[i] <= 'Z')) return "an attribute name outside [a-z0-9]+";
    if (is(name, "id") || is(name, "source") || is(name, "specversion") || is(name, "type") || is(name, "data")) return "an attribute with a reserved name";
    if (!kind) return "an attribute without a value";
    if ((kind == STRING || kind == URI || kind == URI_REFERENCE) && !printable(content)) return "an attribute with characters that are not allowed";
    if (kind == URI && !absolute(content)) return "a URI that is not absolute";
    if (kind == URI_REFERENCE && !uri_reference(content)) return "a URI-reference that is none";
    if (is(name, "time") && kind != TIMESTAMP) return "time is no timestamp";
    if (is(name, "dataschema") && kind != URI) return "dataschema is no URI";
    bool subject = is(name, "subject"), type = is(name, "datacontenttype");
    if ((subject || type) && (kind != STRING || content.size == 0)) return "subject or datacontenttype is no string, or empty";
    if (type) event->datacontenttype = content;
    if (kind == TIMESTAMP) {
        int64_t seconds = find_varint(content, 1), nanos = find_varint(content, 2);
        if (seconds < -62135596800 || seconds > 253402300799 || nanos < 0 || nanos > 999999999) return "a timestamp out of range";
    }
    return NULL;
}

// Does another value for the name of this entry follow?
static bool overlaid(struct span rest, struct span entry)
{
    struct span name = find_bytes(entry, 1);
    for (struct field f; next_field(&rest, &f);) {
        struct span later = f.number == 5 && f.type == 2 ? find_bytes(f.bytes, 1) : (struct span){0};
        if (later.at && later.size == name.size && !memcmp(later.at, name.at, name.size)) return true;
    }
    return false;
}

const char *read_event(struct span encoded, struct event *event)
{
    *event = (struct event){0};
    const char *wrong = NULL;
    int lookups = 0;
    for (struct field f; next_field(&encoded, &f);) {
        struct span *texts[] = {NULL, &event->id, &event->source, &event->specversion, &event->type};
        if (f.number > 8 || f.type != 2) continue; // a field that we don't know
        if (f.number <= 4) *texts[f.number] = string(f.bytes);
        if (f.number == 5) {
            const char *defect = attribute(f.bytes, event);
            // The last value of a name counts: one that is wrong may be overlaid. Looking takes time, so it is not done for ever.
            if (defect && (lookups++ > 100 || !overlaid(encoded, f.bytes))) wrong = defect;
        }
        if (f.number >= 6 && f.number <= 8) event->text = f.number == 7;
        if (f.number == 6) event->data = f.bytes;
        if (f.number == 7) event->data = string(f.bytes);
        if (f.number == 8) string(find_bytes(f.bytes, 1)), event->data = find_bytes(f.bytes, 2);
    }
    if (wrong) return wrong;
    event->json = event->text && event->datacontenttype.at && json_type(event->datacontenttype);
    if (!is(event->specversion, "1.0")) return "specversion is not 1.0";
    if (event->id.size == 0 || !printable(event->id)) return "id is missing, or has characters that are not allowed";
    if (event->type.size == 0 || !printable(event->type)) return "type is missing, or has characters that are not allowed";
    if (event->source.size == 0 || !uri_reference(event->source)) return "source is missing, or no URI-reference";
    return NULL;
}
