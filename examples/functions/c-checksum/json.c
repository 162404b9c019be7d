// Is it one JSON value? Byte by byte, so that data in pieces can be judged without being kept.
#include <ctype.h>

#include "wire.h"

enum { VALUE, FIRST_ELEMENT, FIRST_MEMBER, MEMBER, COLON, AFTER, STRING, ESCAPE, HEX, WORD, MINUS, ZERO, INTEGER, POINT, FRACTION, EXPONENT, SIGN, POWER, BAD };

static bool in_object(const struct json *j) { return j->depth && j->objects[(j->depth - 1) / 8] >> (j->depth - 1) % 8 & 1; }

static int open_nested(struct json *j, bool object)
{
    if (j->depth == 128) return BAD;
    uint8_t *bits = &j->objects[j->depth / 8], bit = 1 << j->depth % 8;
    *bits = object ? *bits | bit : *bits & ~bit;
    j->depth++;
    return object ? FIRST_MEMBER : FIRST_ELEMENT;
}

static int close_nested(struct json *j, uint8_t c)
{
    if (j->depth == 0 || c != (in_object(j) ? '}' : ']')) return BAD;
    j->depth--;
    return AFTER;
}

static int open_string(struct json *j, bool key)
{
    j->key = key;
    return STRING;
}

static int begin_value(struct json *j, uint8_t c)
{
    j->word = c == 't' ? "rue" : c == 'f' ? "alse" : "ull";
    return c == '{' || c == '[' ? open_nested(j, c == '{')
           : c == '"'           ? open_string(j, false)
           : c == '-'           ? MINUS
           : isdigit(c)         ? (c == '0' ? ZERO : INTEGER)
           : c && strchr("tfn", c) ? WORD
                                : BAD;
}

// Between the values.
static int outside(struct json *j, uint8_t c)
{
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') return j->state;
    switch (j->state) {
    case VALUE: return begin_value(j, c);
    case FIRST_ELEMENT: return c == ']' ? close_nested(j, c) : begin_value(j, c);
    case FIRST_MEMBER: return c == '}' ? close_nested(j, c) : c == '"' ? open_string(j, true) : BAD;
    case MEMBER: return c == '"' ? open_string(j, true) : BAD;
    case COLON: return c == ':' ? VALUE : BAD;
    case AFTER: return c != ',' ? close_nested(j, c) : j->depth == 0 ? BAD : in_object(j) ? MEMBER : VALUE;
    default: return BAD;
    }
}

static int step(struct json *j, uint8_t c)
{
    bool digit = isdigit(c), e = c == 'e' || c == 'E';
    switch (j->state) {
    case STRING: return c == '"' ? (j->key ? COLON : AFTER) : c == '\\' ? ESCAPE : c < ' ' ? BAD : STRING;
    case ESCAPE: j->left = 4; return c == 'u' ? HEX : c && strchr("\"\\/bfnrt", c) ? STRING : BAD;
    case HEX: return !isxdigit(c) ? BAD : --j->left ? HEX : STRING;
    case WORD: return c != (uint8_t)*j->word++ ? BAD : *j->word ? WORD : AFTER;
    case MINUS: return c == '0' ? ZERO : digit ? INTEGER : BAD;
    case POINT: return digit ? FRACTION : BAD;
    case EXPONENT: return c == '+' || c == '-' ? SIGN : digit ? POWER : BAD;
    case SIGN: return digit ? POWER : BAD;
    case ZERO:
    case INTEGER:
        if (digit && j->state == INTEGER) return INTEGER;
        if (c == '.' || e) return e ? EXPONENT : POINT;
        break;
    case FRACTION:
        if (digit || e) return e ? EXPONENT : FRACTION;
        break;
    case POWER:
        if (digit) return POWER;
        break;
    default: return outside(j, c);
    }
    j->state = AFTER; // what ends a number is not part of it
    return outside(j, c);
}

void json_feed(struct json *j, struct span text)
{
    for (size_t i = 0; i < text.size && j->state != BAD; i++) j->state = step(j, text.at[i]);
}

bool json_complete(const struct json *j)
{
    return j->depth == 0 && (j->state == AFTER || j->state == ZERO || j->state == INTEGER || j->state == FRACTION || j->state == POWER);
}
