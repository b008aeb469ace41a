"""A partner's system that takes messages of ours, and does not always behave."""
import http.server
import json
import threading
import time

OK = (200, {}, "")


class Partner:
    """Answers as `will` says, one after another; the last for ever: (status, headers, issue code), "hangs up", "is slow".

    `seen`: the headers, body and moment of each message. What it takes becomes a ServiceRequest of the id `made`, if that is
    set, whose status is one of `current` after another when it is read; `read`: the path and headers of each time.
    """

    def __init__(self):
        partner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                try:
                    partner.take(self)
                except BrokenPipeError:
                    pass  # who did not wait for a slow answer

            def do_GET(self):
                partner.show(self)

            def log_message(self, *_):
                pass

        self.will(OK)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/FHIR/R4"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()

    def will(self, *answers, made="", current=("active",)):
        self.answers, self.seen = list(answers), []
        self.made, self.current, self.read = made, list(current), []

    @staticmethod
    def next_of(answers):
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def take(self, request):
        body = request.rfile.read(int(request.headers["Content-Length"]))
        self.seen.append((dict(request.headers), body, time.monotonic()))
        answer = self.next_of(self.answers)
        if answer == "hangs up":
            request.connection.close()
            return
        if answer == "is slow":
            time.sleep(2)
            answer = OK
        status, headers, code = answer
        outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code}]}
        made = {"entry": [{"resource": {"resourceType": "ServiceRequest", "id": self.made}}]} if self.made else {}
        self.answer(request, status, headers, outcome if code else {"resourceType": "Bundle", **made})

    def show(self, request):
        self.read.append((request.path, dict(request.headers)))
        current = self.next_of(self.current)
        if current == "hangs up":
            request.connection.close()
        elif isinstance(current, int):
            self.answer(request, current, {}, {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "x"}]})
        else:
            self.answer(request, 200, {}, {"resourceType": "ServiceRequest", "id": self.made, "status": current})

    @staticmethod
    def answer(request, status, headers, body):
        content = json.dumps(body).encode()
        request.send_response(status)
        ids = {name: request.headers[name] for name in ("X-Request-Id", "X-Correlation-Id")}
        for name, value in {**ids, **headers, "Content-Length": str(len(content))}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(content)
