"""The formats that are opened, by FFmpeg's names of their demuxers: video and sound contained in one file.

FFmpeg knows more, which are refused. Playlists and the like (concat, hls, dash, imf, sdp, vobsub, image2, mlv) open
other files and addresses, so that their own bytes do not identify them. Texts, scripts, pictures, subtitles, games and
tracker music are no recording of a person.
"""

from collections.abc import Mapping

CONTAINERS = (
    *("mov", "matroska", "avi", "mpegts", "mpeg", "flv", "live_flv", "kux", "asf", "asf_o", "ogg", "mxf", "gxf"),
    *("dv", "wtv", "nut", "rm", "ivr", "ivf", "nsv", "nuv", "pva", "pmp", "ty", "lxf", "swf", "mv", "vivo", "rpl"),
    *("film_cpk", "flic", "siff", "smjpeg", "mpjpeg", "cine", "r3d", "yuv4mpegpipe"),
    *("dhav", "hxvs", "ifv", "iv8", "luodat", "lmlm4", "mxg", "nc"),  # of cameras that watch a place
)

BARE_VIDEO = (
    *("h264", "hevc", "vvc", "evc", "av1", "obu", "m4v", "mpegvideo", "mjpeg", "mjpeg_2000", "h261", "h263"),
    *("vc1", "vc1test", "dirac", "cavsvideo", "avs2", "avs3", "dnxhd", "apv", "ingenient"),
)
"""Streams of one codec without a container."""

SOUND = (
    *("wav", "w64", "aiff", "caf", "au", "voc", "ircam", "nistsphere", "sds", "sox", "avr", "paf", "pvf", "iff", "wve"),
    *("mp3", "aac", "latm", "loas", "flac", "ac3", "eac3", "ac4", "dts", "dtshd", "mlp", "truehd", "spdif", "s337m"),
    *("amr", "amrnb", "amrwb", "ape", "wv", "tta", "tak", "mpc", "mpc8", "shn", "oma", "aea", "aa", "xwma", "vqf"),
    *("qcp", "gsm", "ilbc", "dss", "act", "g722", "g726", "g726le", "g729", "sbc", "aptx", "aptx_hd", "codec2", "lc3"),
    *("iamf", "mmf", "dsf", "wsd", "qoa", "bonk", "osq", "rka", "laf", "alaw", "mulaw", "sln"),
)

STILL = ("image2", "_pipe", "gif", "ico", "apng", "avif")
"""Parts of the names of formats of still images."""

MOST_PIXELS = 1 << 27
"""Pixels of the largest picture that is decoded; the largest film cameras give 80 million, 12288 x 6480."""

DECODER_OPTIONS: Mapping[str, str] = {"max_pixels": str(MOST_PIXELS)}
"""Options of video decoders: a header of a few bytes may declare a picture that fills the memory."""

INPUT_OPTIONS: Mapping[str, str] = {
    "format_whitelist": ",".join((*CONTAINERS, *BARE_VIDEO, *SOUND)),
    "protocol_whitelist": "file",
    **DECODER_OPTIONS,
}
"""Options with which FFmpeg opens every input, as a library and as a program."""
