// The page's files as text the compiler reads fast. Written by scripts/embed-web from web/; never edit it by hand.
//
// Immutable, any thread. As long as the page is, hence the length. SPDX-License-Identifier: Apache-2.0
// swift-format-ignore-file

enum StaticSiteFiles {
    static var all: [EmbeddedFile] {
        []
    }
}
