// The embedded page and the QR pictures. SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@testable import LinkRelay

@Suite("HTTP: the page")
struct HTTPPageTests {
    private static let site = StaticSite(files: [
        EmbeddedFile(
            path: "/index.html", contentType: "text/html; charset=utf-8", etag: "\"aa\"", base64: "PCFkb2N0\neXBlPg=="),
        EmbeddedFile(path: "/js/main.js", contentType: "text/javascript; charset=utf-8", etag: "\"bb\"", base64: "MQ=="),
    ])
    private static let policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self' "
        + "ws://relay.example; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

    private func fixture() async throws -> RestFixture { try await RestFixture(site: Self.site) }

    @Test("the root is the index, with the strict policy")
    func index() async throws {
        let fixture = try await fixture()
        for path in ["/", "/index.html"] {
            let response = await fixture.send("GET", path)
            #expect(response.status == 200)
            #expect(response.text == "<!doctype>")
            #expect(response.header("Content-Type") == "text/html; charset=utf-8")
            #expect(response.header("Content-Security-Policy") == Self.policy)
            #expect(response.header("X-Content-Type-Options") == "nosniff")
            #expect(response.header("Referrer-Policy") == "no-referrer")
            #expect(response.header("Cross-Origin-Opener-Policy") == "same-origin")
            #expect(response.header("Cross-Origin-Resource-Policy") == "same-origin")
            #expect(response.header("Cache-Control") == "no-cache")
            #expect(response.header("ETag") == "W/\"aa\"")
        }
    }

    @Test("no answer says the same header twice")
    func headersOnce() async throws {
        let fixture = try await fixture()
        for (method, path) in [
            ("GET", "/"), ("GET", "/x"), ("POST", "/"), ("GET", "/api/link"), ("OPTIONS", "/api/link"), ("GET", "/metrics"),
        ] {
            for headers in [[:], ["origin": RestFixture.friend], ["if-none-match": "*"]] {
                let names = await fixture.send(method, path, headers).headers.map { $0.name.lowercased() }
                #expect(names.count == Set(names).count, "\(method) \(path)")
            }
        }
    }

    @Test("over TLS the named socket is wss; a host that is no name adds nothing")
    func connectSource() async throws {
        let fixture = try await fixture()
        let secure = await fixture.send("GET", "/", isSecure: true)
        #expect(secure.header("Content-Security-Policy")?.contains("connect-src 'self' wss://relay.example;") == true)
        for host in ["[::1]:8787", ""] {
            let response = await fixture.send("GET", "/", ["host": host])
            #expect(response.header("Content-Security-Policy")?.contains("connect-src 'self';") == true)
        }
        #expect(await fixture.send("GET", "/", ["host": "x; script-src *"]).status == 421)
    }

    @Test(
        "who has the file is told so",
        arguments: [
            ("\"aa\"", true), ("W/\"aa\"", true), ("*", true), ("\"bb\", \"aa\"", true), (" \"aa\" ", true), ("\"bb\"", false),
            ("aa", false),
            ("\"aa", false), ("", false), ("\"aabb\"", false), ("w/\"aa\"", false),
        ])
    func conditional(_ tags: String, _ isKnown: Bool) async throws {
        let response = await (try await fixture()).send("GET", "/", ["if-none-match": tags])
        #expect(response.status == (isKnown ? 304 : 200))
        #expect(response.body.isEmpty == isKnown)
        #expect(response.header("ETag") == "W/\"aa\"")
        #expect(response.header("Content-Security-Policy") == Self.policy)
    }

    @Test("the page and the metrics may be compressed; what holds a key or a sign-in may not")
    func compression() async throws {
        let fixture = try await fixture()
        for path in ["/", "/js/main.js", "/metrics"] { #expect(await fixture.send("GET", path).mayCompress, "\(path)") }
        #expect(await fixture.send("GET", "/", ["if-none-match": "*"]).mayCompress)
        let key = ["authorization": "Bearer \(fixture.token)"]
        for (method, path) in [
            ("GET", "/api/link"), ("POST", "/api/link"), ("GET", "/api/session"), ("GET", "/x"), ("GET", "/readyz"),
        ] {
            #expect(await !fixture.send(method, path, key).mayCompress, "\(method) \(path)")
        }
        #expect(await !fixture.send("POST", "/api/link/self", json: #"{"installId":"a"}"#, key).mayCompress)
        #expect(await !fixture.send("POST", "/api/qr", json: #"{"text":"a1b2c3"}"#, key).mayCompress)
        let picture = StaticSite(files: [EmbeddedFile(path: "/a.png", contentType: "image/png", etag: "\"p\"", base64: "MQ==")])
        let pictures = try await RestFixture(site: picture)
        #expect(await !pictures.send("GET", "/a.png").mayCompress)
    }

    @Test(
        "only whole paths of embedded files exist",
        arguments: [
            "/js", "/js/", "/js/main", "js/main.js", "/js//main.js", "/JS/main.js", "/js/../index.html", "/js/main.js/", "",
            "//",
        ])
    func paths(_ path: String) {
        #expect(Self.site.file(at: path) == nil)
    }

    @Test("the page answers reading only")
    func methods() async throws {
        let response = await (try await fixture()).send("POST", "/js/main.js")
        #expect(response.status == 405)
        #expect(response.header("Allow") == "GET, HEAD, OPTIONS")
        #expect(response.header("Content-Security-Policy") == nil)
    }

    @Test(
        "base64 as Python writes it",
        arguments: [
            ("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9v\nYg==", "foob"), ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy\n", "foobar"),
            ("Z*m9v", ""),
        ])
    func base64(_ text: String, _ expected: String) {
        let bytes = Array(text.utf8).withUnsafeBufferPointer { Base64.decode($0) }
        #expect(String(decoding: bytes, as: UTF8.self) == expected)
    }

    @Test("every byte survives base64")
    func base64Bytes() {
        let text =
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P/v/+vvw8fLz9PX29/j5+vv8/f7/"
        let bytes = Array(text.utf8).withUnsafeBufferPointer { Base64.decode($0) }
        #expect(bytes == Array(0...63) + [0xFB, 0xFF, 0xFA, 0xFB] + Array(0xF0...0xFF))
    }

    @Test("the generated list, if the page is in, has an index and quoted tags")
    func generated() {
        for file in StaticSiteFiles.all {
            let found = StaticSite().file(at: file.path.description)
            #expect(found?.body.isEmpty == false)
            #expect(found?.etag.hasPrefix("\"") == true && found?.etag.hasSuffix("\"") == true)
        }
        #expect(StaticSiteFiles.all.isEmpty == (StaticSite().file(at: "/") == nil))
    }
}

@Suite("HTTP: QR pictures")
struct HTTPQRTests {
    @Test("the smallest symbol: 21 modules, three finders, the dark module, the timing lines")
    func symbol() throws {
        let code = try #require(QRCode("a1b2c3"))
        #expect(code.width == 21)
        func dark(_ x: Int, _ y: Int) -> Bool { code.modules[y * 21 + x] }
        for (left, top) in [(0, 0), (14, 0), (0, 14)] {
            for y in 0..<7 {
                for x in 0..<7 {
                    let ring = max(abs(x - 3), abs(y - 3))
                    #expect(dark(left + x, top + y) == (ring != 2))
                }
            }
        }
        for i in 8..<13 {
            #expect(dark(i, 6) == (i % 2 == 0))
            #expect(dark(6, i) == (i % 2 == 0))
        }
        #expect(dark(8, 13))
    }

    @Test(
        "the picture is the symbol, moved by the quiet zone",
        arguments: ["a1b2c3", "http://relay.example/#ticket=" + String(repeating: "x", count: 64)])
    func picture(_ text: String) throws {
        let code = try #require(QRCode(text))
        let path = try #require(code.svg.split(separator: "<path d=\"").last?.prefix { $0 != "\"" })
        var drawn = [Bool](repeating: false, count: code.width * code.width)
        for run in path.split(separator: "z") {
            let numbers = run.split { !$0.isNumber }.compactMap { Int($0) }
            #expect(numbers.count == 5 && numbers[3] == 1 && numbers[4] == numbers[2])
            for x in numbers[0]..<(numbers[0] + numbers[2]) { drawn[(numbers[1] - 4) * code.width + x - 4] = true }
        }
        #expect(drawn == code.modules)
        #expect(code.svg.contains("viewBox=\"0 0 \(code.width + 8) \(code.width + 8)\""))
    }

    @Test("a text too long for any symbol has no picture")
    func capacity() {
        #expect(QRCode(String(repeating: "x", count: 2331))?.width == 177)
        #expect(QRCode(String(repeating: "x", count: 2332)) == nil)
        #expect(QRCode("") == nil)
    }

    @Test("only who is signed in gets a picture, and it carries no text")
    func endpoint() async throws {
        let fixture = try await RestFixture()
        let body = "{\"text\":\"<script>secret</script>\"}"
        #expect(await fixture.send("POST", "/api/qr", json: body).status == 401)
        let response = await fixture.call("POST", "/api/qr", json: body)
        #expect(response.status == 200)
        #expect(response.header("Content-Type") == "image/svg+xml")
        #expect(response.header("Content-Security-Policy") == "default-src 'none'")
        #expect(response.header("Cache-Control") == "no-store")
        #expect(response.text.hasPrefix("<svg xmlns=\"http://www.w3.org/2000/svg\""))
        #expect(!response.text.contains("s" + "cript") && !response.text.contains("secret"))
    }

    @Test(
        "texts that are refused",
        arguments: ["{}", "{\"text\":\"\"}", "{\"text\":7}", "{\"text\":\"\(String(repeating: "x", count: 513))\"}"])
    func refused(_ body: String) async throws {
        #expect(await (try await RestFixture()).call("POST", "/api/qr", json: body).code == "invalid_text")
    }

    @Test("the longest text of the widest characters still fits")
    func widest() async throws {
        let body = "{\"text\":\"\(String(repeating: "😀", count: 512))\"}"
        #expect(await (try await RestFixture()).call("POST", "/api/qr", json: body).status == 200)
    }
}
