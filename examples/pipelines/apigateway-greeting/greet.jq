# Answers an HTTP request with a greeting: an event in, an event out. Structured mode, encoding json.
{
  specversion: "1.0",
  id: (.id + "/1"),
  source: "/greet",
  # The type that says all of an HTTP response; any other result is a response in CloudEvents' binary mode.
  type: "fsi.http.response",
  datacontenttype: "application/json",
  data: {
    status: 200,
    headers: {
      "content-type": "text/plain; charset=utf-8",
      "set-cookie": ["visits=2", "lang=\(.data.queryStringParameters.lang)"]
    },
    body: "\({de: "Hallo", fr: "Bonjour"}[.data.queryStringParameters.lang // ""] // "Hello"), \(.data.pathParameters.name)!"
  }
}
