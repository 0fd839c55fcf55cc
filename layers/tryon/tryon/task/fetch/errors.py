"""Why a result could not be fetched."""


class FetchError(Exception):
    """A result could not be had; the message names the host, never the address."""


class ResultRefusedError(FetchError):
    """The guard forbids it: the address, where it leads, or what comes back. Never worth another try."""


class ResultUnavailableError(FetchError):
    """No complete answer this time: another try may get one."""


class WrongLengthError(ResultUnavailableError):
    """The picture is longer or shorter than was announced; it can be had by those who do not need its length."""


class ResultGoneError(FetchError):
    """The address works no more (403, 404, 410 …): only a new one from the service can help."""


class NotAnImageError(FetchError):
    """What came back is no PNG, JPEG or WebP, whatever its status and content type say."""
