#define _GNU_SOURCE
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HELLO_TAG = 0xfa, CALL_TAG = 0x08 };

static int in = -1, out = -1;
static uint8_t *buffer;
static size_t filled, room;
static size_t limit = 16u << 20;
static bool was_cut, greeted;

void wire_open(void)
{
    // stdout belongs to the protocol. Keep both streams on private descriptors that a child does not inherit, then let fd 1
    // mean stderr and fd 0 nothing: what the job, a library or a child prints can't reach the stream.
    in = fcntl(0, F_DUPFD_CLOEXEC, 3);
    out = fcntl(1, F_DUPFD_CLOEXEC, 3);
    int null = open("/dev/null", O_RDWR);
    if (in < 0 || out < 0 || null < 0 || dup2(null, 0) < 0 || dup2(2, 1) < 0) {
        perror("stdio");
        exit(70);
    }
    close(null);
    const char *bytes = getenv("FAAS_MAX_MESSAGE_BYTES");
    if (bytes) limit = strtoull(bytes, NULL, 10);
}

bool cut(void) { return was_cut; }

_Noreturn void malformed(const char *why, uint64_t call)
{
    fprintf(stderr, "malformed input: %s (call %llu)\n", why, (unsigned long long)call);
    exit(65); // a stream that lost its place can't be taken up again
}

// Bytes until `wanted` are there; false at EOF. While it waits it also watches stdout, so that a pipeline whose tail died unwinds.
static bool fill(size_t wanted)
{
    if (wanted > room) {
        room = wanted > 65536 ? wanted : 65536;
        buffer = realloc(buffer, room);
        if (!buffer) exit(70);
    }
    while (filled < wanted) {
        struct pollfd both[] = {{.fd = in, .events = POLLIN}, {.fd = out}};
        poll(both, 2, -1);
        if (both[1].revents & POLLERR) exit(0);
        ssize_t n = read(in, buffer + filled, room - filled);
        if (n < 0 && errno != EINTR) malformed(strerror(errno), 0);
        if (n == 0) return false;
        if (n > 0) filled += n;
    }
    return true;
}

// A varint at the start of *rest, which it shortens; false if it is cut or longer than ten bytes.
static bool take_varint(struct span *rest, uint64_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < 10 && i < rest->size; i++) {
        *value |= (uint64_t)(rest->at[i] & 0x7f) << 7 * i;
        if (rest->at[i] < 0x80) {
            rest->at += i + 1, rest->size -= i + 1;
            return true;
        }
    }
    return false;
}

static bool next_nested(struct span *rest, struct field *field, int depth)
{
    if (rest->size == 0) return false;
    uint64_t tag, size = 0;
    if (!take_varint(rest, &tag) || tag >> 3 == 0 || tag >> 32 || depth > 100) malformed("a field's tag", 0);
    *field = (struct field){.number = tag >> 3, .type = tag & 7};
    switch (field->type) {
    case 0:
        if (!take_varint(rest, &field->varint)) malformed("a varint", 0);
        return true;
    case 1: size = 8; break;
    case 2:
        if (!take_varint(rest, &size)) malformed("a field's length", 0);
        break;
    case 3: // a group: nothing of ours, so it is skipped to its end
        for (struct field inner; next_nested(rest, &inner, depth + 1);)
            if (inner.type == 4 && inner.number == field->number) return true;
        malformed("a group without an end", 0);
    case 4:
        if (depth == 0) malformed("the end of a group that did not begin", 0);
        return true;
    case 5: size = 4; break;
    default: malformed("a wire type that does not exist", 0);
    }
    if (size > rest->size) malformed("a field that is longer than its message", 0);
    field->bytes = (struct span){rest->at, size};
    rest->at += size, rest->size -= size;
    return true;
}

bool next_field(struct span *rest, struct field *field) { return next_nested(rest, field, 0); }

// The next field of that number; one with another wire type than the schema's is not known to us, and skipped like others.
static bool find(struct span *rest, uint32_t number, int type, struct field *field)
{
    while (next_field(rest, field))
        if (field->number == number && field->type == type) return true;
    return false;
}

struct span find_bytes(struct span message, uint32_t number)
{
    struct span found = {0};
    for (struct field f; find(&message, number, 2, &f);) found = f.bytes; // the last one counts
    return found;
}

uint64_t find_varint(struct span message, uint32_t number)
{
    uint64_t found = 0;
    for (struct field f; find(&message, number, 0, &f);) found = f.varint;
    return found;
}

// Strings have to be UTF-8 also where nobody looks at them: the next stage would refuse what we copied.
static void check_strings(struct span message, uint64_t strings, uint32_t map)
{
    for (struct field f; next_field(&message, &f);) {
        if (f.type != 2 || f.number > 63) continue;
        uint32_t state = 0;
        if (strings >> f.number & 1) utf8_feed(&state, f.bytes);
        if (state) malformed("a string that is not UTF-8", 0);
        if (f.number == map) check_strings(f.bytes, 1 << 1 | 1 << 2, 0);
    }
}

static void check_status(struct span status) { check_strings(status, 1 << 2, 3); }

// A field of message type that stands several times is merged, and Protobuf merges messages by writing them one behind the other.
static struct span gather(struct span message, uint32_t number)
{
    static uint8_t *joined[32];
    struct span whole = {0};
    size_t count = 0, total = 0;
    struct field f;
    for (struct span rest = message; find(&rest, number, 2, &f);) whole = f.bytes, count++, total += f.bytes.size;
    if (count < 2) return whole;
    joined[number] = realloc(joined[number], total + 1);
    if (!joined[number]) exit(70);
    whole = (struct span){joined[number], 0};
    for (struct span rest = message; find(&rest, number, 2, &f); whole.size += f.bytes.size)
        if (f.bytes.size) memcpy(joined[number] + whole.size, f.bytes.at, f.bytes.size);
    return whole;
}

bool receive(struct message *m)
{
    static size_t done; // bytes of the message before, which the caller has finished with
    if (done) memmove(buffer, buffer + done, filled - done);
    filled -= done, done = 0;

    uint64_t size;
    struct span rest;
    while (rest = (struct span){buffer, filled < 5 ? filled : 5}, !take_varint(&rest, &size)) {
        if (filled >= 5) malformed("expected a length of at most five bytes", 0);
        if (!fill(filled + 1)) return was_cut = filled > 0, false;
    }
    size_t prefix = rest.at - buffer;
    if (size > limit) malformed("a message above the limit", 0);
    if (size == 0 && !greeted) malformed("expected a hello first", 0);
    // The first two bytes of a stream show a stray banner, which would else be waited on as a length.
    if (!greeted && fill(prefix + 1) && buffer[prefix] != HELLO_TAG && buffer[prefix] != CALL_TAG) {
        fputs("expected a hello (a length, FA 01), came \"", stderr);
        for (size_t i = 0; i < filled && i < 80; i++) fprintf(stderr, buffer[i] >= ' ' && buffer[i] < 0x7f ? "%c" : "\\x%02x", buffer[i]);
        fputs("\"\n", stderr);
        exit(65);
    }
    if (!fill(prefix + size)) return was_cut = true, false;
    done = prefix + size;

    struct span whole = {buffer + prefix, size};
    *m = (struct message){
        .call = find_varint(whole, 1), .context = gather(whole, 2), .event = gather(whole, 3), .chunk = find_bytes(whole, 4),
        .more = find_varint(whole, 5), .end = gather(whole, 6), .cancel = gather(whole, 7), .hello = gather(whole, 31)};
    bool first = !greeted, other = m->context.at || m->event.at || m->chunk.at || m->more || m->end.at || m->cancel.at;
    greeted = true;
    if (first && (!m->hello.at || m->call || other)) malformed("expected a hello first, alone and on call 0", m->call);
    if (!first && m->hello.at) malformed("a second hello", m->call);
    if (!first && m->call == 0 && other) malformed("call 0 carries nothing but the first hello", 0);
    if (m->call >> 52) malformed("a call number above 2^52-1", m->call);
    check_strings(m->context, 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6, 7);
    check_status(m->end);
    check_strings(m->cancel, 1 << 1, 0);
    check_strings(m->hello, 1 << 1 | 1 << 2, 0);
    if (m->hello.at) check_status(find_bytes(m->hello, 3));
    return true;
}

void put(struct out *o, const void *bytes, size_t size)
{
    if (o->size + size > o->room) {
        o->room = 2 * o->room + size + 64;
        o->at = realloc(o->at, o->room);
        if (!o->at) exit(70);
    }
    if (size) memcpy(o->at + o->size, bytes, size);
    o->size += size;
}

static void put_number(struct out *o, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) put(o, &(uint8_t){value | 0x80}, 1);
    put(o, &(uint8_t){value}, 1);
}

void put_varint(struct out *o, uint32_t number, uint64_t value)
{
    put_number(o, number << 3);
    put_number(o, value);
}

void put_bytes(struct out *o, uint32_t number, struct span bytes)
{
    put_number(o, number << 3 | 2);
    put_number(o, bytes.size);
    put(o, bytes.at, bytes.size);
}

void put_text(struct out *o, uint32_t number, const char *text) { put_bytes(o, number, span_text(text)); }

void put_attribute(struct out *event, const char *name, struct span value)
{
    struct out string = {0}, entry = {0};
    put_bytes(&string, 3, value); // ce_string
    put_text(&entry, 1, name);
    put_bytes(&entry, 2, span_of(&string));
    put_bytes(event, 5, span_of(&entry));
    discard(&string);
    discard(&entry);
}

struct span make_status(int code, const char *message)
{
    static struct out status;
    discard(&status);
    put_varint(&status, 1, code);
    put_text(&status, 2, message);
    return span_of(&status);
}

void discard(struct out *o)
{
    free(o->at);
    *o = (struct out){0};
}

void transmit(struct out *message)
{
    struct out framed = {0}; // length and message in one write
    put_number(&framed, message->size);
    put(&framed, message->at, message->size);
    for (size_t sent = 0; sent < framed.size;) {
        ssize_t n = write(out, framed.at + sent, framed.size - sent);
        if (n < 0 && errno != EINTR) exit(0); // the reader is gone
        if (n > 0) sent += n;
    }
    discard(&framed);
    discard(message);
}
