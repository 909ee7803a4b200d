"""Composes one message by the standard library's email package, sends it by its smtplib, and keeps the octets
that were sent: KIND SERVER PORT SENDER FOLDER."""

import email.policy
import email.utils
import random
import smtplib
import subprocess
import sys
from email.message import EmailMessage

kind, host, port, sender, folder = sys.argv[1:]


class Recording(smtplib.SMTP):
    """Keeps what send_message() hands over, which then leaves."""

    def sendmail(self, from_addr, to_addrs, msg, mail_options=(), rcpt_options=()):
        with open(f"{folder}/sent.eml", "wb") as file:
            file.write(msg)
        with open(f"{folder}/recipients", "w", encoding="utf-8") as file:
            file.write("\n".join(to_addrs))
        return super().sendmail(from_addr, to_addrs, msg, mail_options, rcpt_options)


def plain():
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"] = f"Billing <{sender}>"
    message["To"] = "To <to@contoso.com>"
    message["Subject"] = f"Grüße: {kind}"
    message["Date"] = email.utils.formatdate()
    message["Message-ID"] = email.utils.make_msgid(domain="contoso.com")
    message.set_content("Grüße.\n.\n..two dots\nFrom the beginning of a line.\n")
    return message


def with_attachment(octets):
    message = plain()
    content = random.Random(octets).randbytes(octets)
    message.add_attachment(content, maintype="application", subtype="octet-stream", filename="Größe.bin")
    return message


def with_bcc():
    message = plain()
    message["Cc"] = "cc@contoso.com"
    message["Bcc"] = "hidden@contoso.com"
    return message


def with_alternatives():
    message = plain()
    message.add_alternative("<p>Grüße.</p>\n", subtype="html")
    message.get_payload()[1].add_related(b"\x89PNG\r\n\x1a\n" * 100, "image", "png", cid="<picture>")
    return message


def signed():
    key, certificate = f"{folder}/key.pem", f"{folder}/cert.pem"
    subject = ["-subj", "/CN=billing", "-days", "30", "-nodes", "-newkey", "rsa:2048"]
    made = ["openssl", "req", "-x509", "-keyout", key, "-out", certificate, *subject]
    subprocess.run(made, check=True, capture_output=True)
    body = EmailMessage(policy=email.policy.SMTP)
    body.set_content("Signed, with a space at the end of this line. \n.\n", cte="quoted-printable")
    sign = ["openssl", "smime", "-sign", "-signer", certificate, "-inkey", key, "-crlfeol"]
    out = subprocess.run(sign, input=body.as_bytes(), check=True, capture_output=True).stdout
    out = out.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    head = plain()
    head = b"".join(f"{name}: {head[name]}\r\n".encode() for name in ("From", "To", "Date", "Message-ID"))
    return head + out


def international():
    message = plain()
    del message["To"]
    message["To"] = "Jürgen <jürgen@contoso.com>"
    return message


COMPOSE = {
    "bcc": with_bcc,
    "alternatives": with_alternatives,
    "10KB": lambda: with_attachment(10_000),
    "3.5MB": lambda: with_attachment(3_500_000),
    "20MB": lambda: with_attachment(20_000_000),
    "signed": signed,
    "international": international,
}

message = COMPOSE[kind]()
with Recording(host, int(port), timeout=120) as server:
    try:
        if isinstance(message, bytes):
            server.sendmail(sender, ["to@contoso.com"], message)
        else:
            server.send_message(message, from_addr=sender)
        print("250")
    except smtplib.SMTPDataError as refused:
        print(refused.smtp_code, refused.smtp_error.decode())
    except smtplib.SMTPSenderRefused as refused:
        print(refused.smtp_code, refused.smtp_error.decode())
    except smtplib.SMTPRecipientsRefused as refused:
        print(refused.recipients)
