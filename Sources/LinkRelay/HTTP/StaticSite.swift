// The page, served out of the binary: no file system, no path arithmetic, one strict policy.
//
// Immutable value, any thread. What is not in the generated list does not exist. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

/// A file of `web/` as `scripts/embed-web` writes it.
package struct EmbeddedFile: Sendable {
    let path: StaticString
    let contentType: StaticString
    /// Quoted, derived from the contents.
    let etag: StaticString
    /// Lines of base64.
    let base64: StaticString
}

package struct StaticSite: Sendable {
    package struct File: Sendable, Hashable {
        package let contentType: String
        package let etag: String
        package let body: [UInt8]

        package static func == (a: File, b: File) -> Bool { a.etag == b.etag && a.contentType == b.contentType }
        package func hash(into hasher: inout Hasher) { hasher.combine(etag) }
    }

    private let files: [String: File]

    /// The page in this binary.
    package init() { self.init(files: StaticSiteFiles.all) }

    package init(files: [EmbeddedFile]) {
        var table: [String: File] = [:]
        for file in files {
            table[file.path.description] = File(
                contentType: file.contentType.description, etag: file.etag.description,
                body: file.base64.withUTF8Buffer { Base64.decode($0) })
        }
        self.files = table
    }

    /// Nil when there is no such file. `/` is `index.html`.
    func entry(at path: String) -> File? { files[path == "/" ? "/index.html" : path] }

    package func file(at path: String) -> (contentType: String, etag: String, body: [UInt8])? {
        entry(at: path).map { ($0.contentType, $0.etag, $0.body) }
    }
}

extension StaticSite.File {
    /// The file, or 304 when the caller has it (RFC 9110 section 13.1.2).
    func response(to request: HTTPRequest, origins: OriginPolicy) -> HTTPResponse {
        let headers = [
            // Weak, because it stands for the compressed file too (RFC 9110 section 8.8.1).
            ("ETag", "W/" + etag), ("Cache-Control", "no-cache"),
            ("Content-Security-Policy", Self.policy(for: request, origins)),
            ("Cross-Origin-Opener-Policy", "same-origin"), ("Cross-Origin-Resource-Policy", "same-origin"),
        ]
        if let tags = request.header("if-none-match"), isNamed(in: tags) {
            return HTTPResponse(status: 304, headers: headers, mayCompress: isText)
        }
        return HTTPResponse(status: 200, headers: [("Content-Type", contentType)] + headers, body: body, mayCompress: isText)
    }

    private var isText: Bool {
        contentType.hasPrefix("text/") || contentType.hasPrefix("application/json") || contentType.hasPrefix("application/manifest+json")
            || contentType.hasPrefix("image/svg+xml")
    }

    private func isNamed(in tags: String) -> Bool {
        tags.utf8.split(separator: 0x2C).contains { tag in
            var tag = tag.drop { $0 == 0x20 || $0 == 0x09 }
            while tag.last == 0x20 || tag.last == 0x09 { tag.removeLast() }
            if tag.elementsEqual("*".utf8) { return true }
            return (tag.starts(with: "W/".utf8) ? tag.dropFirst(2) : tag).elementsEqual(etag.utf8)
        }
    }

    /// Nothing from elsewhere, nothing inline. `'self'` covers the WebSocket in current browsers; older Safari wants it named,
    /// which only a checked host can be.
    private static func policy(for request: HTTPRequest, _ origins: OriginPolicy) -> String {
        var connect = "'self'"
        if let host = request.header("host"), origins.isHostAllowed(host), !host.utf8.contains(0x5B) {
            connect += request.isSecure ? " wss://\(host)" : " ws://\(host)"
        }
        return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src \(connect); "
            + "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    }
}

/// Base64 (RFC 4648 section 4) of our own making: line ends are skipped, anything odd ends the text.
enum Base64 {
    static func decode(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(text.count / 4 * 3)
        var bits: UInt32 = 0
        var count: UInt32 = 0
        for byte in text where byte != 0x0A {
            guard let value = value(byte) else { break }
            bits = bits << 6 | value
            count += 6
            if count >= 8 {
                count -= 8
                out.append(UInt8(truncatingIfNeeded: bits >> count))
            }
        }
        return out
    }

    private static func value(_ byte: UInt8) -> UInt32? {
        switch byte {
        case 0x41...0x5A: UInt32(byte - 0x41)
        case 0x61...0x7A: UInt32(byte - 0x61) + 26
        case 0x30...0x39: UInt32(byte - 0x30) + 52
        case 0x2B: 62
        case 0x2F: 63
        default: nil
        }
    }
}
