// File names by table: plain ones, and the rule that each other one breaks. SPDX-License-Identifier: Apache-2.0

import Testing

@testable import LinkRelay

@Suite struct PolicyNameTests {
    static let plain = [
        "a.safetensors", "Model V1.5 (fp16).CKPT", "möbel-家具.pt", "a.vae.pt", "e\u{301}.bin", "a-b_c+d,e;f=g&h.zip", "-a.png",
        "con-fusion.safetensors", "com10.zip", "a.con.pt", "😀.webp", "'quoted'.json", "100%.yaml", "a.exe.safetensors",
    ]

    @Test(arguments: plain) func lets(_ name: String) { #expect(CommandPolicy().rule(forName: name, isNew: true) == nil) }

    static let refused: [(String, PolicyRule)] = [
        ("", .nameMissing), ("/a.pt", .nameIsPath), ("a/b.pt", .nameIsPath), ("../a.pt", .nameIsPath), ("..\\a.pt", .nameIsPath),
        ("a\\b.pt", .nameIsPath), ("/etc/passwd", .nameIsPath), ("C:\\a.pt", .nameIsPath), ("C:a.pt", .nameIsPath), ("z:.pt", .nameIsPath),
        ("..", .nameIsPath), (".", .nameIsPath), ("a..pt", .nameIsPath), ("\\\\host\\share\\a.pt", .nameIsPath), ("a/", .nameIsPath),
        ("a\u{FF0F}b.pt", .nameIsPath), ("a\u{FF3C}b.pt", .nameIsPath), ("\u{2025}x.pt", .nameIsPath), ("a\u{FF0E}\u{FF0E}.pt", .nameIsPath),
        ("a\u{0}.pt", .nameCharacters), ("a\n.pt", .nameCharacters), ("a\u{7F}.pt", .nameCharacters), ("a\u{85}.pt", .nameCharacters),
        ("a\u{1B}[2J.pt", .nameCharacters), ("a\u{202E}tp.exe.pt", .nameCharacters), ("a\u{2028}.pt", .nameCharacters),
        ("a\u{FFFD}.pt", .nameCharacters), ("model.pt:stream.pt", .nameCharacters), ("a:b.pt", .nameIsPath),
        ("a\u{E000}.pt", .nameCharacters), ("a\u{FFFE}.pt", .nameCharacters), ("ab:c.pt", .nameCharacters),
        (".htaccess", .nameHidden), (".a.pt", .nameHidden), (" a.pt", .nameHidden), ("a.pt ", .nameHidden), ("a.pt.", .nameHidden),
        ("~a.pt", .nameHidden),
        ("con.pt", .nameReserved), ("NUL", .nameReserved), ("Com1.safetensors", .nameReserved), ("lpt9.vae.pt", .nameReserved),
        ("aux .pt", .nameReserved), ("COM\u{B9}.pt", .nameReserved), ("conin$.pt", .nameReserved), ("prn.zip", .nameReserved),
        (String(repeating: "a", count: 253) + ".pt", .nameTooLong), (String(repeating: "é", count: 127) + ".pt", .nameTooLong),
        ("a.exe", .suffixNotAllowed), ("a.py", .suffixNotAllowed), ("a", .suffixNotAllowed), ("a.safetensors.exe", .suffixNotAllowed),
        ("a.pt\u{200B}", .suffixNotAllowed), ("safetensors", .suffixNotAllowed), ("a.bat", .suffixNotAllowed), ("a.html", .suffixNotAllowed),
    ]

    @Test(arguments: refused) func refuses(_ name: String, _ rule: PolicyRule) {
        #expect(CommandPolicy().rule(forName: name, isNew: true) == rule, "\(name.debugDescription)")
        #expect(CommandPolicy().rule(forName: name, isNew: false) == (rule == .suffixNotAllowed ? nil : rule))
    }

    @Test func longestName() { #expect(FileName.rule(String(repeating: "a", count: 252) + ".pt") == nil) }

    @Test func suffixesOfTheOwner() {
        let policy = CommandPolicy(suffixes: [".zip"]).with(InstancePolicy(suffixes: [".engine"]))
        #expect(policy.rule(forName: "a.ENGINE", isNew: true) == nil && policy.rule(forName: "a.zip", isNew: true) == nil)
        #expect(policy.rule(forName: "a.pt", isNew: true) == .suffixNotAllowed)
        #expect(policy.rule(forName: ".engine", isNew: true) == .nameHidden)
    }
}
