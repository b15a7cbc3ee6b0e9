from sessiond.core.m3u import listed


def test_paths_are_read_and_what_players_write_beside_them_is_not() -> None:
    text = (
        "\ufeff#EXTM3U\r\n#EXTINF:213,Nina - Feeling\r\nfeeling good.flac\r\n"
        "\r\n  /music/jingle.ogg  \r\nhttp://example.org/a.mp3\r\n../up.opus"
    )
    assert list(listed(text)) == [
        "feeling good.flac",
        "/music/jingle.ogg",
        "../up.opus",
    ]
