"""A partner's system that takes messages of ours, and does not always behave."""
import http.server
import json
import threading
import time

OK = (200, {}, "")


class Partner:
    """Answers as `will` says, one after another; the last for ever: (status, headers, issue code), "hangs up", "is slow".

    `seen`: the headers, body and moment of each message.
    """

    def __init__(self):
        partner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                try:
                    partner.take(self)
                except BrokenPipeError:
                    pass  # who did not wait for a slow answer

            def log_message(self, *_):
                pass

        self.will(OK)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/FHIR/R4"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()

    def will(self, *answers):
        self.answers, self.seen = list(answers), []

    def take(self, request):
        body = request.rfile.read(int(request.headers["Content-Length"]))
        self.seen.append((dict(request.headers), body, time.monotonic()))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer == "hangs up":
            request.connection.close()
            return
        if answer == "is slow":
            time.sleep(2)
            answer = OK
        status, headers, code = answer
        outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code}]}
        content = json.dumps(outcome if code else {"resourceType": "Bundle"}).encode()
        request.send_response(status)
        ids = {name: request.headers[name] for name in ("X-Request-Id", "X-Correlation-Id")}
        for name, value in {**ids, **headers, "Content-Length": str(len(content))}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(content)
