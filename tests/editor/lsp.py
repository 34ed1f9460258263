"""A small client of a language server: opens one file, and asks questions at a cursor in it."""

import json
import queue
import subprocess
import threading

CURSOR = "$0"


class Server:
    """A running rust-analyzer with the package in `folder`, whose file `path` is open."""

    def __init__(self, program, folder, path, settings):
        self.process = subprocess.Popen(
            [program], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.uri = path.as_uri()
        self.settings = settings
        self.version = 0
        self.requests = 0
        self.is_ready = False
        self.published = {}
        self.messages = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.request("initialize", {
            "processId": None,
            "rootUri": folder.as_uri(),
            "initializationOptions": settings,
            "capabilities": {
                "experimental": {"serverStatusNotification": True},
                "textDocument": {
                    "completion": {"completionItem": {"snippetSupport": False}},
                    "hover": {"contentFormat": ["markdown"]},
                    "definition": {"linkSupport": True},
                    "publishDiagnostics": {},
                },
                "workspace": {"configuration": True},
            },
        })
        self.notify("initialized", {})
        text = path.read_text()
        document = {"uri": self.uri, "languageId": "rust", "version": self.version, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": document})
        while not self.is_ready:
            self._receive()

    def close(self):
        self.request("shutdown", None)
        self.notify("exit", None)
        self.process.wait(10)

    def completions(self, text):
        """The labels that are offered at the cursor in `text`."""
        answer = self._ask("textDocument/completion", text) or []
        items = answer["items"] if isinstance(answer, dict) else answer
        return [item["label"] for item in items]

    def hover(self, text):
        """The sections of the text that is shown at the cursor."""
        answer = self._ask("textDocument/hover", text)
        return answer["contents"]["value"].split("\n---\n") if answer else []

    def definitions(self, text):
        """The places that the name at the cursor leads to, as `file:line`."""
        answer = self._ask("textDocument/definition", text) or []
        return sorted({f"{self._file(link)}:{link['targetSelectionRange']['start']['line'] + 1}" for link in answer})

    def diagnostics(self, text):
        """The errors and warnings that the server itself finds in `text`."""
        self._write(text)
        answer = self.request("textDocument/diagnostic", {"textDocument": {"uri": self.uri}})
        return [f"{item.get('code')}: {item['message']}" for item in answer["items"]]

    def _file(self, link):
        return "here" if link["targetUri"] == self.uri else link["targetUri"].rsplit("/", 1)[-1]

    def _ask(self, method, text):
        before, after = text.split(CURSOR)
        self._write(before + after)
        position = {"line": before.count("\n"), "character": len(before.rsplit("\n", 1)[-1])}
        return self.request(method, {"textDocument": {"uri": self.uri}, "position": position})

    def _write(self, text):
        self.version += 1
        document = {"uri": self.uri, "version": self.version}
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": text}]})

    def request(self, method, parameters):
        self.requests += 1
        number = self.requests
        self._send({"id": number, "method": method, "params": parameters})
        while True:
            message = self._receive()
            if message.get("id") != number or "method" in message:
                continue
            # The text has changed meanwhile.
            if message.get("error", {}).get("code") in (-32801, -32802):
                return self.request(method, parameters)
            if "error" in message:
                raise RuntimeError(f"{method}: {message['error']['message']}")
            return message["result"]

    def notify(self, method, parameters):
        self._send({"method": method, "params": parameters})

    def _receive(self):
        message = self.messages.get(timeout=600)
        if message is None:
            raise RuntimeError("the language server has ended")
        if message.get("method") == "experimental/serverStatus":
            status = message["params"]
            if status["health"] == "error":
                raise RuntimeError(status.get("message"))
            self.is_ready = status["quiescent"]
        elif message.get("method") == "workspace/configuration":
            self._send({"id": message["id"], "result": [self.settings for _ in message["params"]["items"]]})
        elif "method" in message and "id" in message:
            self._send({"id": message["id"], "result": None})
        return message

    def _send(self, message):
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(content) + content)
        self.process.stdin.flush()

    def _read(self):
        stream = self.process.stdout
        while header := stream.readline():
            length = int(header.split(b":")[1])
            while stream.readline().strip():
                pass
            self.messages.put(json.loads(stream.read(length)))
        self.messages.put(None)
