// Protobuf by hand: varint-delimited fsi.v1.Message in and out. What is read stays where it is; a span points at it.
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const uint8_t *at; // NULL: the field is absent
    size_t size;
};

// Valid until the next receive().
struct message {
    uint64_t call;
    struct span context, event, chunk, end, cancel, hello; // encoded
    bool more;
};

struct event {
    struct span id, source, specversion, type, datacontenttype, data;
    bool text; // the data is text_data, else binary or none
    bool json; // and has to be one JSON value, by its datacontenttype
};

// Takes stdin and stdout for the protocol; whatever else is printed goes to stderr from here on.
void wire_open(void);
// The next message; false at EOF. Malformed input ends the process with status 65.
bool receive(struct message *m);
// Did stdin end within a message?
bool cut(void);
_Noreturn void malformed(const char *why, uint64_t call);

// One field after another of an encoded message; false at its end.
struct field {
    uint32_t number;
    int type; // 0 varint, 1 64 bits, 2 bytes, 5 32 bits
    uint64_t varint;
    struct span bytes;
};
bool next_field(struct span *rest, struct field *field);
struct span find_bytes(struct span message, uint32_t number);
uint64_t find_varint(struct span message, uint32_t number);

// What keeps an encoded event from being a CloudEvent 1.0, or NULL; fills in *event.
const char *read_event(struct span encoded, struct event *event);
// UTF-8 piece by piece; *state is 0 at the start and between two characters, and UTF8_BAD for good after an error.
enum { UTF8_BAD = ~0 };
void utf8_feed(uint32_t *state, struct span bytes);

// JSON piece by piece: all zero at the start.
struct json {
    int state, depth, left;
    bool key;
    const char *word;
    uint8_t objects[16]; // a bit for each level: an object, or an array
};
void json_feed(struct json *json, struct span text);
bool json_complete(const struct json *json);

// An encoded message in the making.
struct out {
    uint8_t *at;
    size_t size, room;
};
void put(struct out *out, const void *bytes, size_t size);
void put_varint(struct out *out, uint32_t number, uint64_t value);
void put_bytes(struct out *out, uint32_t number, struct span bytes);
// A status that lives until the next one is made.
struct span make_status(int code, const char *message);
// One attribute of an event, a String.
void put_attribute(struct out *event, const char *name, struct span value);
void discard(struct out *out);
void put_text(struct out *out, uint32_t number, const char *text);
// Writes *message behind its length, and empties it.
void transmit(struct out *message);
static inline struct span span_of(const struct out *out) { return (struct span){out->at, out->size}; }
static inline struct span span_text(const char *text) { return (struct span){(const uint8_t *)text, strlen(text)}; }

#endif
