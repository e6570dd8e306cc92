from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yt_dlp.utils import DownloadError

from portrait_prep.errors import TransferFailed
from portrait_prep.pipeline.declare.stage import BadVideo
from portrait_prep.stages.fetch.session import Interrupted
from portrait_prep.stages.fetch.ytdlp_errors import UPDATE, diagnose
from tests.stages.fetch.videos import NO_RUNTIME

ADVICE = (
    "Use --cookies-from-browser or --cookies for the authentication. See  https://github.com/yt-dlp/yt-dlp/wiki/FAQ"
    "#how-do-i-pass-cookies-to-yt-dlp  for how to manually pass cookies. Also see  https://github.com/yt-dlp/yt-dlp/"
    "wiki/Extractors#exporting-youtube-cookies  for tips on effectively exporting YouTube cookies"
)


REPORT = (
    "; please report this issue on  https://github.com/yt-dlp/yt-dlp/issues?q= , filling out the appropriate issue "
    "template. Confirm you are on the latest version using  yt-dlp -U"
)


@pytest.mark.parametrize(
    ("message", "kind", "reason"),
    [
        (
            f"\x1b[0;31mERROR:\x1b[0m [youtube] Y71hHF4g7Fg: Sign in to confirm you’re not a bot. {ADVICE}",
            TransferFailed,
            "Sign in to confirm you’re not a bot; name a browser's cookies in 'cookies'",
        ),
        (
            "ERROR: [youtube] Y71hHF4g7Fg: Private video. Sign in if you've been granted access to this video. "
            + ADVICE,
            BadVideo,
            "Private video; Sign in if you've been granted access to this video; "
            "if you have access, name your browser's cookies in 'cookies'",
        ),
        (
            "ERROR: [youtube] Y71hHF4g7Fg: Video unavailable. This video has been removed by the uploader",
            BadVideo,
            "Video unavailable; This video has been removed by the uploader",
        ),
        (
            "ERROR: [youtube] Y71hHF4g7Fg: The uploader has not made this video available in your country\n"
            "This video is available in Norway.\n"
            "You might want to use a VPN or a proxy server (with --proxy) to workaround.",
            BadVideo,
            "The uploader has not made this video available in your country; This video is available in Norway; "
            "a 'proxy' elsewhere may be let in",
        ),
        (
            "ERROR: [youtube] Y71hHF4g7Fg: This content isn't available, try again later. The current session has been "
            "rate-limited by YouTube for up to an hour. It is recommended to use `-t sleep` to add a delay",
            TransferFailed,
            "This content isn't available, try again later; The current session has been rate-limited by YouTube for "
            "up to an hour; set a longer 'pause'",
        ),
        (
            f"ERROR: [youtube] Y71hHF4g7Fg: Unable to extract yt initial data{REPORT}",
            TransferFailed,
            f"Unable to extract yt initial data; {UPDATE}",
        ),
        (
            "ERROR: [youtube] Y71hHF4g7Fg: The page needs to be reloaded.",
            TransferFailed,
            f"The page needs to be reloaded; {UPDATE}",
        ),
        (
            f"ERROR: [youtube] Y71hHF4g7Fg: An extractor has failed to log in or out{REPORT}",
            TransferFailed,
            f"An extractor has failed to log in or out; {UPDATE}",
        ),
        (
            "ERROR: [youtube] Y71hHF4g7Fg: Unable to download API page: HTTP Error 400: Bad Request (caused by "
            "<HTTPError 400: Bad Request>)",
            TransferFailed,
            f"Unable to download API page: HTTP Error 400: Bad Request; {UPDATE}",
        ),
        (
            "ERROR: [x] 1: Unable to download JSON metadata: HTTP Error 400: Bad Request",
            TransferFailed,
            f"Unable to download JSON metadata: HTTP Error 400: Bad Request; {UPDATE}",
        ),
        (
            "ERROR: [x] 1: Unable to download webpage: HTTP Error 400: Bad Request",
            BadVideo,
            "Unable to download webpage: HTTP Error 400: Bad Request",
        ),
        (
            "\r[download] Got error: HTTP Error 403: Forbidden",
            TransferFailed,
            f"HTTP Error 403: Forbidden; {UPDATE}",
        ),
        (
            "ERROR: [generic] Unable to download webpage: ('Unable to connect to proxy', "
            f"NewConnectionError('refused')) (caused by ProxyError()){REPORT}",
            TransferFailed,
            "Unable to download webpage: ('Unable to connect to proxy', NewConnectionError('refused')); "
            "mend or empty 'proxy', or HTTP_PROXY of the environment",
        ),
        ("ERROR: [youtube] Y71hHF4g7Fg: Premieres in 3 hours", TransferFailed, "Premieres in 3 hours"),
        ("\r[download] Got error: 5 bytes read, 9 more expected", Interrupted, "5 bytes read, 9 more expected"),
        (
            "\r[download] Got error: HTTP Error 404: Not Found",
            BadVideo,
            "HTTP Error 404: Not Found",
        ),
        ("", BadVideo, "yt-dlp gives no reason"),
    ],
)
def test_a_failure_is_reported_in_one_sentence_without_advice_for_developers(
    message: str, kind: type[Exception], reason: str
) -> None:
    error = diagnose(DownloadError(message), "http://x/").error
    assert type(error) is kind
    assert str(error) == f"http://x/ cannot be fetched: {reason}"


@given(st.text())
def test_whatever_it_says_it_is_reported_on_one_line(said: str) -> None:
    sentence = str(diagnose(DownloadError(f"ERROR: {said}"), "http://x/").error)
    assert "http://x/" in sentence
    assert len(sentence.splitlines()) == 1


@pytest.mark.parametrize(("warnings", "kind"), [([NO_RUNTIME], TransferFailed), ([], BadVideo)])
def test_a_page_that_shows_nothing_without_a_runtime_wants_one(warnings: Sequence[str], kind: type[Exception]) -> None:
    said = "ERROR: [youtube] Y71hHF4g7Fg: Requested format is not available. Use --list-formats for a list"
    assert type(diagnose(DownloadError(said), "http://x/", warnings).error) is kind
