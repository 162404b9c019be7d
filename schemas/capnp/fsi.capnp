# FSI 1.0 in Cap'n Proto: the event and the message, one to one with schemas/proto.
# A stream is a sequence of messages in the standard stream framing, unpacked.
@0xd3f1a5c07e9b2461;

# One CloudEvent. Pointers that are null are absent.
struct Event {
  id @0 :Text;
  source @1 :Text;
  specVersion @2 :Text;
  type @3 :Text;
  attributes @4 :List(Attribute);
  data :union {
    none @5 :Void;
    binary @6 :Data;
    text @7 :Text;
    proto @8 :Any;
  }
}

# An optional attribute or extension. Names are unique within an event.
struct Attribute {
  name @0 :Text;
  value :union {
    boolean @1 :Bool;
    integer @2 :Int32;
    string @3 :Text;
    bytes @4 :Data;
    uri @5 :Text;
    uriRef @6 :Text;
    timestamp @7 :Timestamp;
  }
}

# As google.protobuf.Timestamp: seconds since the Unix epoch, and nanoseconds that count forward.
struct Timestamp {
  seconds @0 :Int64;
  nanos @1 :Int32;
}

# As google.protobuf.Any.
struct Any {
  typeUrl @0 :Text;
  value @1 :Data;
}

# One message of a stream, the same in both directions.
struct Message {
  call @0 :UInt64;
  context @1 :Context;
  event @2 :Event;
  # Null: no chunk. Empty: a chunk of no bytes.
  chunk @3 :Data;
  more @4 :Bool;
  end @5 :Status;
  cancel @6 :Cancel;
  hello @7 :Hello;
}

struct Context {
  invocationId @0 :Text;
  # 0: absent.
  attempt @1 :UInt32;
  deadline :union {
    none @2 :Void;
    ms @3 :Int64;
  }
  traceparent @4 :Text;
  tracestate @5 :Text;
  baggage @6 :Text;
  extra @7 :List(Entry);
}

struct Status {
  # gRPC's code by number; 0 is OK.
  code @0 :UInt32;
  message @1 :Text;
  details @2 :List(Entry);
}

struct Cancel {
  reason @0 :Text;
}

struct Hello {
  fsi @0 :Text;
  producer @1 :Text;
  status @2 :Status;
}

# A member of a map from text to text. Keys are unique within a list.
struct Entry {
  key @0 :Text;
  value @1 :Text;
}
