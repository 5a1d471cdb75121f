// The page's files as text the compiler reads fast. Written by scripts/embed-web from web/; never edit it by hand.
//
// Immutable, any thread. As long as the page is, hence the length. SPDX-License-Identifier: Apache-2.0
// swift-format-ignore-file

enum ConsoleFiles {
    static var all: [EmbeddedFile] {
        [
            EmbeddedFile(
                path: "/console/index.html", contentType: "text/html; charset=utf-8",
                etag: "\"21f6f401c1c410c7de9191d26b1d76be\"",
                base64: """
PCFkb2N0eXBlIGh0bWw+PHRpdGxlPmNvbnNvbGU8L3RpdGxlPgo=
"""),
        ]
    }
}
