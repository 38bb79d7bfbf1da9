"""A mail server for tests, by aiosmtpd: prints its port, then a JSON line a message. With a certificate and a key it
offers STARTTLS; otherwise it asks for a user name and a password."""

import email
import email.policy
import json
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


class Printer:
    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = [part.get_content() for part in message.walk() if part.get_content_maintype() == "text"]
        user = session.auth_data.login.decode() if session.auth_data else None
        line = {"to": envelope.rcpt_tos, "user": user, "subject": message["Subject"], "parts": parts}
        print(json.dumps(line).replace("\\r\\n", "\\n"), flush=True)
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    is_right = data.login == b"shop" and data.password == b"right password"
    return AuthResult(success=is_right, handled=False, auth_data=data if is_right else None)


options = {"hostname": "127.0.0.1", "port": 0}
if len(sys.argv) == 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    options |= {"tls_context": context, "require_starttls": True}
else:
    options |= {"authenticator": authenticate, "auth_required": True, "auth_require_tls": False}


class AnyPort(Controller):
    """aiosmtpd checks that it can be reached at the port it was given, which here is whatever is free."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


controller = AnyPort(Printer(), **options)
controller.start()
print(controller.port, flush=True)
threading.Event().wait()
