# An app that answers only visitors whom the relay vouches for. Python 3.8 or later; nothing to install.
import base64
import functools
import hashlib
import json
import os
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RELAY = os.environ["RELAY_URL"]  # public_url of the relay, without a slash at its end
EDGE = os.environ["EDGE_ID"]  # the edge that leads to this app
LEEWAY_S = 30


class Refused(Exception):
    pass


def visitor_of(headers):
    """The visitor. Raises Refused if the relay does not vouch for them."""
    try:
        head, body, signature = headers.get("Sallyport-Auth-Jwt", "").split(".")
        header, claims = json.loads(decode(head)), json.loads(decode(body))
        if header["alg"] != "ES256":
            raise Refused("signed in another way")
        if not is_signed_by(KEYS.find(header["kid"]), f"{head}.{body}", signature):
            raise Refused("the signature is wrong")
        if claims["iss"] != RELAY or claims["aud"] != EDGE or not claims["sub"]:
            raise Refused("made by or for somebody else")
        if time.time() >= claims["exp"] + LEEWAY_S:
            raise Refused("too old")
        return claims
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Refused("not a token of the relay") from error


class Keys:
    """The key set of the relay. An unknown key id has it fetched again, but not more than twice a minute."""

    def __init__(self, url):
        self.url, self.keys, self.fetched, self.lock = url, {}, 0.0, threading.Lock()

    def find(self, kid):
        with self.lock:
            age = time.monotonic() - self.fetched
            if self.fetched == 0.0 or age > 600 or (kid not in self.keys and age > 30):
                with urllib.request.urlopen(self.url, timeout=5) as response:
                    found = json.load(response)["keys"]
                self.keys = {
                    key["kid"]: (number(decode(key["x"])), number(decode(key["y"])))
                    for key in found
                    if key["kty"] == "EC" and key["crv"] == "P-256"
                }
                self.fetched = time.monotonic()
            if kid not in self.keys:
                raise Refused("signed with an unknown key")
            return self.keys[kid]


KEYS = Keys(RELAY + "/.well-known/jwks.json")


def decode(text):
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)


def number(octets):
    return int.from_bytes(octets, "big")


# The curve P-256: y² = x³ - 3x + b modulo P, with a base point G of order N. FIPS 186-5, SP 800-186 3.2.1.3.
P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


@functools.lru_cache(maxsize=1024)  # a check takes some milliseconds, and the relay uses a token for a minute
def is_signed_by(key, text, signature):
    """ECDSA with SHA-256: FIPS 186-5 6.4.2. Everything in it is public, so its time may depend on it."""
    octets = decode(signature)
    r, s = number(octets[:32]), number(octets[32:])
    x, y = key
    if len(octets) != 64 or not (0 < r < N and 0 < s < N):
        return False
    if not (x < P and y < P) or (y * y - (x * x * x - 3 * x + B)) % P != 0:
        return False
    digest, inverse = number(hashlib.sha256(text.encode("ascii")).digest()), pow(s, -1, N)
    u, v = digest * inverse % N, r * inverse % N
    both, point = add(G, key), None
    for bit in range(255, -1, -1):
        point = add(point, point)
        in_u, in_v = u >> bit & 1, v >> bit & 1
        if in_u or in_v:
            point = add(point, both if in_u and in_v else G if in_u else key)
    return point is not None and point[0] % N == r


def add(one, other):
    """Adds two points of the curve; None is the point at infinity."""
    if one is None or other is None:
        return other if one is None else one
    (x1, y1), (x2, y2) = one, other
    if x1 == x2:
        if (y1 + y2) % P == 0:
            return None
        slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, P)
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, P)
    x = (slope * slope - x1 - x2) % P
    return x, (slope * (x1 - x) - y1) % P


class App(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            status, body = 200, json.dumps(visitor_of(self.headers))
        except (Refused, OSError) as reason:
            status, body = 401, f"not through the relay: {reason}\n"
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8000"))), App)
print(f"listening on {server.server_port}", flush=True)
server.serve_forever()
