"""TLS for the tests: a certificate authority, and a TLS port for servers without TLS."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tools.processes import LOOPBACK

LIFE = timedelta(days=1)


class Authority:
    """Signs certificates; clients must trust the one in the file `certificate`."""

    def __init__(self, folder: Path, name: str) -> None:
        self.certificate = folder / f"{name}.pem"
        self._folder = folder
        self._name = _name(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        own = self._sign(
            _builder(self._name, self._key).add_extension(
                x509.BasicConstraints(ca=True, path_length=0), critical=True
            )
        )
        self.certificate.write_bytes(_pem(own))

    def issue(self, address: str) -> Path:
        """Return a file with a certificate for the server at this IP address, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        signed = self._sign(_builder(_name(address), key).add_extension(names, critical=False))
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        file = self._folder / f"{self.certificate.stem}-{address}.pem"
        file.write_bytes(_pem(signed) + secret)
        return file

    def _sign(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        return builder.issuer_name(self._name).sign(self._key, hashes.SHA256())


def _builder(name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - LIFE)
        .not_valid_after(now + LIFE)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@contextmanager
def tls_front(port: int, certificate: Path) -> Iterator[int]:
    """Yield a port that speaks TLS and passes everything on to `port` of the loopback."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    front = _Front(port, context)
    thread = threading.Thread(target=lambda: asyncio.run(front.serve()))
    thread.start()
    try:
        yield front.listening_on()
    finally:
        front.stop()
        thread.join()


class _Front:
    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._port, self._context = port, context
        self._ready = threading.Event()

    def listening_on(self) -> int:
        assert self._ready.wait(10), "the TLS front did not start"
        return self._own_port

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)

    async def serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._pass_on, LOOPBACK, 0, ssl=self._context)
        self._own_port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopping.wait()
        server.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # At the end the loop cancels open connections, which is no failure.
        with suppress(asyncio.CancelledError):
            behind_reader, behind_writer = await asyncio.open_connection(LOOPBACK, self._port)
            await asyncio.gather(_pump(reader, behind_writer), _pump(behind_reader, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
