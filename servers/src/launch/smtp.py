"""A mail server for tests, on aiosmtpd: takes mails, takes them apart and writes each as a line of JSON before it says 250.

Its folder may hold `server.pem` and `server.key`: then it offers STARTTLS and takes no mail without; and `sign-in`, a user and
a password on two lines: then it takes no mail without either. While there is a file `closed`, no recipient is taken: 554.

What it does with a recipient is told by the beginning of their address: `refused` gets 550, `later` gets 450 the first time,
`hidden` is taken and its mail refused with 554, `hangup` ends the connection; of `dropped` the first mail is written down and the
connection ended instead of an answer.
"""

import asyncio
import email
import email.policy
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from icalendar import Calendar


def calendar(part):
    entry = Calendar.from_ical(part.get_payload(decode=True))
    (event,) = entry.walk("VEVENT")
    at = lambda name: event.decoded(name).isoformat() if name in event else None
    return {
        "method": str(entry["METHOD"]),
        "method_of_part": part.get_param("method"),
        "uid": str(event["UID"]),
        "sequence": int(event["SEQUENCE"]),
        "status": str(event["STATUS"]),
        "summary": str(event["SUMMARY"]),
        "location": str(event.get("LOCATION", "")),
        "organizer": str(event["ORGANIZER"]),
        "start": at("DTSTART"),
        "end": at("DTEND"),
        "longest_line": max(len(line) for line in part.get_payload(decode=True).split(b"\r\n")),
    }


def apart(envelope):
    mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
    parts = [part for part in mail.walk() if not part.is_multipart()]
    of_type = lambda name: [part.get_content() for part in parts if part.get_content_type() == name]
    return {
        "sender": envelope.mail_from,
        "recipients": envelope.rcpt_tos,
        "headers": [[name, str(value)] for name, value in mail.items()],
        "types": [part.get_content_type() for part in parts],
        "text": "".join(of_type("text/plain")),
        "html": "".join(of_type("text/html")),
        "calendars": [calendar(part) for part in parts if part.get_content_type() == "text/calendar"],
        "defects": [str(defect) for part in mail.walk() for defect in part.defects],
    }


class Handler:
    def __init__(self):
        self.seen = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if os.path.exists("closed"):
            return "554 5.7.1 relay access denied"
        if address.startswith("refused"):
            return f"550 5.1.1 <{address}> is not here"
        if address.startswith("later") and address not in self.seen:
            self.seen.add(address)
            return f"450 4.2.0 <{address}> is greylisted"
        if address.startswith("hangup"):
            server.transport.abort()
            return "421 4.0.0 gone"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        if envelope.rcpt_tos[0].startswith("hidden"):
            return "554 5.7.1 not wanted"
        line = apart(envelope)
        line["tls"] = session.ssl is not None
        line["user"] = session.auth_data.login.decode() if session.authenticated else None
        with open("mails.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())
        to = envelope.rcpt_tos[0]
        if to.startswith("dropped") and to not in self.seen:
            self.seen.add(to)
            server.transport.abort()
            return "421 4.0.0 gone"
        return "250 2.0.0 stored"


def options():
    chosen = {"enable_SMTPUTF8": True, "hostname": "mail.test", "data_size_limit": 10_000_000}
    if os.path.exists("server.pem"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain("server.pem", "server.key")
        chosen.update(tls_context=context, require_starttls=True)
    if os.path.exists("sign-in"):
        user, password = open("sign-in", "rb").read().split(b"\n")[:2]

        def check(server, session, envelope, mechanism, data):
            good = data == LoginPassword(user, password)
            # Not handled: a refusal is to be answered.
            return AuthResult(success=good, handled=False, auth_data=data)

        chosen.update(authenticator=check, auth_required=True, auth_require_tls=os.path.exists("server.pem"))
    return chosen


async def main(port):
    handler, chosen = Handler(), options()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, loop=loop, **chosen), "127.0.0.1", port, backlog=100)
    async with server:
        await server.serve_forever()


asyncio.run(main(int(sys.argv[1])))
