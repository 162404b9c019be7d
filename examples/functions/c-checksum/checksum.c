// The CRC-32, the bytes and the lines of an event's data. Stream mode, encoding protobuf, no library.
// Data in pieces is summed as it comes, so a payload of any size needs no more memory than one message.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

// ---- The job.

struct sum {
    uint32_t crc; // inverted
    uint64_t bytes, lines;
};

static void add(struct sum *sum, struct span data)
{
    for (size_t i = 0; i < data.size; i++) {
        sum->crc ^= data.at[i];
        for (int bit = 0; bit < 8; bit++) sum->crc = sum->crc >> 1 ^ (sum->crc & 1 ? 0xedb88320 : 0);
        sum->lines += data.at[i] == '\n';
    }
    sum->bytes += data.size;
}

// What is known of a call: the sum so far, and how far it is.
struct call {
    uint64_t id;
    struct out context, cause; // encoded; copied, because a message is gone when the next one is read
    struct sum sum;
    struct json json;
    uint32_t utf8, results;
    bool unfinished, text, is_json, answered, ended, over, cancelled;
};

// What the data sums up to, as the result event in our message.
static void put_result(struct out *fields, struct call *call)
{
    char id[24], data[96];
    struct out event = {0}, prefix = {0};
    // An id that is the same in every attempt lets whoever reads the result twice drop one.
    struct span invocation = find_bytes(span_of(&call->context), 1), base = invocation.size ? invocation : span_of(&call->cause);
    put(&prefix, base.at, base.size);
    put(&prefix, id, snprintf(id, sizeof id, "/%u", ++call->results));
    put_bytes(&event, 1, span_of(&prefix));
    put_text(&event, 2, "/c-checksum");
    put_text(&event, 3, "1.0");
    put_text(&event, 4, "com.example.checksum.computed");
    put_attribute(&event, "datacontenttype", span_text("application/json"));
    put_attribute(&event, "causationid", span_of(&call->cause));
    snprintf(data, sizeof data, "{\"crc32\":\"%08x\",\"bytes\":%llu,\"lines\":%llu}", ~call->sum.crc, (unsigned long long)call->sum.bytes,
             (unsigned long long)call->sum.lines);
    put_text(&event, 7, data);
    put_bytes(fields, 3, span_of(&event));
    discard(&prefix);
    discard(&event);
}

// An event or a further piece of one; returns what is wrong with it, or NULL.
static const char *take_data(struct out *fields, struct call *call, const struct message *m)
{
    struct event event = {0};
    if (m->event.at) {
        if (call->unfinished) malformed("an event before the one before it was complete", call->id);
        const char *wrong = read_event(m->event, &event);
        if (wrong) return wrong;
        call->sum = (struct sum){.crc = ~0u};
        call->json = (struct json){0}, call->is_json = event.json;
        call->utf8 = 0, call->text = event.text, call->unfinished = true;
        discard(&call->cause);
        put(&call->cause, event.id.at, event.id.size);
    }
    if (!call->unfinished) malformed("a chunk without an event", call->id);
    struct span pieces[] = {event.data, m->chunk};
    for (int i = 0; i < 2; i++) {
        add(&call->sum, pieces[i]);
        if (call->text) utf8_feed(&call->utf8, pieces[i]);
        if (call->is_json) json_feed(&call->json, pieces[i]);
    }
    call->unfinished = m->more;
    if (call->unfinished) return NULL;
    if (call->text && call->utf8) return "text data that is not UTF-8";
    if (call->is_json && !json_complete(&call->json)) return "JSON data that is not one JSON value";
    put_result(fields, call);
    return NULL;
}

// ---- The loop.

enum { OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT, FAILED_PRECONDITION = 9, ABORTED, UNAVAILABLE = 14, LAST_CODE = 16, REMEMBERED = 1024 };

// The calls that are open, and the last ones that are over.
static struct call *calls;
static size_t count, over;

static struct call *find(const struct message *m, bool *unseen)
{
    *unseen = false;
    for (size_t i = count; i-- > 0;)
        if (calls[i].id == m->call) return &calls[i];
    *unseen = true;
    // Late messages of a call are told from a new call for a while, not for ever: memory is finite.
    for (size_t i = 0; over > REMEMBERED; i++)
        if (calls[i].over) {
            discard(&calls[i].context);
            memmove(&calls[i], &calls[i + 1], (--count - i) * sizeof *calls);
            over--;
        }
    calls = realloc(calls, (count + 1) * sizeof *calls);
    if (!calls) exit(70);
    calls[count] = (struct call){.id = m->call};
    put(&calls[count].context, m->context.at, m->context.size);
    return &calls[count++];
}

// Writes about a call, and empties `fields`: what follows call and context. The context goes onto our first message, as it came.
static void answer(struct call *call, struct out *fields)
{
    struct out message = {0};
    put_varint(&message, 1, call->id);
    if (!call->answered && call->context.size) put_bytes(&message, 2, span_of(&call->context));
    put(&message, fields->at, fields->size);
    discard(fields);
    call->answered = true;
    transmit(&message);
}

static void put_end(struct out *fields, struct call *call, struct span status)
{
    if (call->ended) return; // exactly one end a call
    call->ended = true;
    struct out known = {0};
    put(&known, status.at, status.size);
    if (find_varint(status, 1) > LAST_CODE) put_varint(&known, 1, UNKNOWN); // the last value of a field counts
    put_bytes(fields, 6, span_of(&known));
    discard(&known);
}

// One message. Its fields apply in the order of the specification.
static void take(const struct message *m)
{
    bool input = m->event.at || m->chunk.at || m->end.at, unseen;
    if (!input && !m->cancel.at) return; // nothing that we know
    struct call *call = find(m, &unseen);
    if (call->cancelled) return;
    if (call->over && input) malformed("input goes on after its end", call->id);

    struct out reply = {0}; // a unary call is one message, and one write, each way
    if (!call->ended && (m->event.at || m->chunk.at)) {
        const char *wrong = take_data(&reply, call, m);
        if (wrong) put_end(&reply, call, make_status(INVALID_ARGUMENT, wrong));
    }
    if (m->end.at) {
        if (!call->ended && call->unfinished && find_varint(m->end, 1) == OK) malformed("an end before the event was complete", call->id);
        // An end that is not OK passes through as it came: so errors cross a pipeline.
        put_end(&reply, call, m->end);
    }
    if (reply.size) answer(call, &reply);
    if (m->cancel.at) {
        // Copied on at once, whatever we owe: a busy stage behind us may be at work on this call.
        put_bytes(&reply, 7, m->cancel);
        answer(call, &reply);
        if (!unseen || input) put_end(&reply, call, make_status(CANCELLED, "cancelled"));
        if (reply.size) answer(call, &reply);
        call->cancelled = true;
    }
    if ((m->end.at || m->cancel.at) && !call->over) {
        call->over = true, over++;
        discard(&call->cause);
    }
}

int main(void)
{
    wire_open();
    // Our hello answers our input's, and a bad status there becomes ours: so the last stage's speaks for a whole pipeline.
    struct message m;
    struct span ready = {0}, version;
    if (!receive(&m)) ready = make_status(UNAVAILABLE, "stdin ended before a hello");
    else if (version = find_bytes(m.hello, 1), version.size < 2 || memcmp(version.at, "1.", 2)) ready = make_status(FAILED_PRECONDITION, "expected fsi 1.x");
    else ready = find_bytes(m.hello, 3);
    struct out hello = {0}, message = {0};
    put_text(&hello, 1, "1.0");
    put_text(&hello, 2, "c-checksum/1.0");
    if (ready.size) put_bytes(&hello, 3, ready);
    put_bytes(&message, 31, span_of(&hello));
    transmit(&message);
    discard(&hello);
    if (find_varint(ready, 1) != OK) return cut() ? 65 : 1;

    while (receive(&m)) take(&m);

    // EOF on stdin: a call whose input was complete has its end already, the others will never be complete.
    for (size_t i = 0; i < count; i++) {
        struct out fields = {0};
        if (!calls[i].over) put_end(&fields, &calls[i], make_status(ABORTED, "stdin ended within the call"));
        if (fields.size) answer(&calls[i], &fields);
    }
    if (!cut()) return 0;
    fputs("stdin ended within a message\n", stderr);
    return 65;
}
