# The job: an order's event in, an invoice's event out. Amounts are in cents, because 0.1 + 0.2 is not 0.3.
include "event";

def invoice:
  (.items // [] | map({what, count, each, amount: (.count * .each)})) as $lines
  | ($lines | map(.amount) | add // 0) as $net
  | ($net * (.vatpercent // 20) / 100 | round) as $vat
  | {order: .number, lines: $lines, net: $net, vat: $vat, total: ($net + $vat)};

select(test("[^ \\t\\r]"))                          # empty lines are skipped
| event
| . as $order
| if .data | type == "object" then . else error("expected an order, a JSON object, as data") end
| {
    specversion: "1.0",
    # An id that is the same in every attempt lets whoever reads the result twice drop one.
    id: "\($ENV.FAAS_INVOCATION_ID // .id)/\(input_line_number)",
    source: "/bash-invoice",
    type: "com.example.invoice.drawnup",
    causationid: .id,
    datacontenttype: "application/json",
    data: (.data | invoice)
  }
| if $order.subject then .subject = $order.subject else . end
