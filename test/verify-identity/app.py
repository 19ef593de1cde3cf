# An app that answers only visitors whom the relay vouches for. Needs: pip install "pyjwt[crypto]"
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt

RELAY = os.environ["RELAY_URL"]  # public_url of the relay, without a slash at its end
EDGE = os.environ["EDGE_ID"]  # the edge that leads to this app
KEYS = jwt.PyJWKClient(RELAY + "/.well-known/jwks.json")  # fetched when first needed, then kept


def visitor_of(headers):
    """The visitor. Raises jwt.PyJWTError if the relay does not vouch for them."""
    token = headers.get("Sallyport-Auth-Jwt", "")
    return jwt.decode(
        token,
        KEYS.get_signing_key_from_jwt(token).key,
        algorithms=["ES256"],
        issuer=RELAY,
        audience=EDGE,
        options={"require": ["iss", "aud", "sub", "exp"]},
        leeway=30,
    )


class App(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            status, body = 200, json.dumps(visitor_of(self.headers))
        except jwt.PyJWTError as error:
            status, body = 401, f"not through the relay: {error}\n"
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8000"))), App)
print(f"listening on {server.server_port}", flush=True)
server.serve_forever()
