// One row of the settings table: how a setting is called, read, checked and shown. Pure, any thread.
//
// A row knows its property, so that the default has one home (Settings.swift) and text becomes a value in one place (here).
// SPDX-License-Identifier: Apache-2.0

/// A setting's property together with what may be written there.
package enum SettingKind: Sendable {
    package typealias Property<Value> = WritableKeyPath<Settings, Value> & Sendable

    case duration(any Property<Duration>, ClosedRange<Duration>)
    /// "never" = nil.
    case expiry(any Property<Duration?>, ClosedRange<Duration>)
    case bytes(any Property<Int>, ClosedRange<Int>)
    /// `zero`: what 0 means, where it means something of its own.
    case count(any Property<Int>, ClosedRange<Int>, zero: String?)
    case addresses(any Property<[ListenAddress]>)
    case admin(any Property<AdminListen>)
    case networks(any Property<[NetworkPrefix]>)
    case origins(any Property<[String]>)
    case hosts(any Property<[String]>)
    case origin(any Property<String?>)
    case headerName(any Property<String?>)
    /// `fallback`: what an empty value means.
    case directory(any Property<String>, fallback: String)
    case file(any Property<String?>)
    case level(any Property<Log.Level>)
    case format(any Property<LogFormat>)
    case word(any Property<String?>)
    /// An https address, or http on this machine.
    case service(any Property<String?>)
    case claim(any Property<String>)
    /// "on" or "off".
    case toggle(any Property<Bool>)
    case policy(any Property<PolicyMode>)
    case words(any Property<[String]>, PolicyWord)
}

package struct Setting: Sendable {
    /// Kebab-case, as after `--` and in the file.
    package let name: String
    package let group: SettingGroup
    package let kind: SettingKind
    /// One or two sentences for the operator.
    package let text: String
    /// Whether SIGHUP applies a change to the running process.
    package let isReloadable: Bool
    /// Understood, but only listed for those who test the relay itself.
    package let isHidden: Bool

    init(
        _ name: String, _ group: SettingGroup, _ kind: SettingKind, reloads: Bool = false, hidden: Bool = false, _ text: String
    ) {
        self.name = name
        self.group = group
        self.kind = kind
        self.text = text
        isReloadable = reloads
        isHidden = hidden
    }

    /// `RELAYD_DRAIN_WINDOW` for `drain-window`.
    package var variable: String { "RELAYD_" + name.uppercased().replacing("-", with: "_") }

    /// Whether several values may be given, by repetition or with commas.
    package var isList: Bool {
        switch kind {
        case .addresses, .networks, .origins, .hosts, .words: true
        default: false
        }
    }
}

package enum SettingGroup: String, Sendable, CaseIterable {
    case address = "Address and storage"
    case log = "Log"
    case links = "Links and accounts"
    case rooms = "Presence and commands"
    case downloads = "Downloads"
    case memory = "Sizes and memory"
    case connections = "Connections"
}

// MARK: - Reading

extension Setting {
    /// Sets the property from the text of one source. `problem` of the error says what is wrong and what would be right.
    func apply(_ text: String, to settings: inout Settings) throws(SettingProblem) {
        switch kind {
        case .duration(let property, let range):
            settings[keyPath: property] = try duration(text, range)
        case .expiry(let property, let range):
            settings[keyPath: property] = text == "never" ? nil : try duration(text, range)
        case .bytes(let property, let range):
            guard let bytes = ByteText.parse(text) else { throw refusal(text, "is no size") }
            guard range.contains(bytes) else { throw refusal(text, "is out of range") }
            settings[keyPath: property] = bytes
        case .count(let property, let range, _):
            guard let (number, rest) = Digits.split(text), rest.isEmpty else { throw refusal(text, "is no whole number") }
            guard let count = Int(exactly: number), range.contains(count) else { throw refusal(text, "is out of range") }
            settings[keyPath: property] = count
        case .addresses(let property):
            settings[keyPath: property] = try list(text, "is no address to listen on", ListenAddress.init(parsing:))
        case .networks(let property):
            settings[keyPath: property] = try list(text, "is no network", NetworkPrefix.init(parsing:))
        case .origins(let property):
            settings[keyPath: property] = try list(text, "is no origin") { RequestOrigin(configured: $0)?.serialized }
        case .hosts(let property):
            settings[keyPath: property] = try list(text, "is no host name") { RequestAuthority($0, foldingCase: true)?.text }
        case .words(let property, let word):
            settings[keyPath: property] = try list(text, "cannot be used here") { word.parse($0) }
        default:
            try applyText(text, to: &settings)
        }
    }

    private func applyText(_ text: String, to settings: inout Settings) throws(SettingProblem) {
        switch kind {
        case .origin(let property):
            guard let origin = RequestOrigin(configured: text) else { throw refusal(text, "is no web address of this form") }
            settings[keyPath: property] = origin.serialized
        case .headerName(let property):
            guard Self.isToken(text) else { throw refusal(text, "is no header name") }
            settings[keyPath: property] = text.lowercased()
        case .admin(let property):
            guard let place = AdminListen(parsing: text) else { throw refusal(text, "is no place for the operator's surface") }
            settings[keyPath: property] = place
        case .directory(let property, _):
            guard Self.isPath(text) else { throw refusal(text, "is no directory name") }
            settings[keyPath: property] = text
        case .file(let property):
            guard Self.isPath(text) else { throw refusal(text, "is no file name") }
            settings[keyPath: property] = text
        case .level(let property):
            guard let level = Log.Level(named: text) else { throw refusal(text, "is no level") }
            settings[keyPath: property] = level
        case .format(let property):
            guard let format = LogFormat(rawValue: text) else { throw refusal(text, "is no format") }
            settings[keyPath: property] = format
        case .word(let property):
            guard Self.isWord(text) else { throw refusal(text, "is no text of this form") }
            settings[keyPath: property] = text
        case .service(let property):
            guard Self.isService(text) else { throw refusal(text, "is no such address") }
            settings[keyPath: property] = text
        case .claim(let property):
            guard Self.isToken(text.replacing("_", with: "-")) else { throw refusal(text, "is no claim") }
            settings[keyPath: property] = text
        case .toggle(let property):
            guard text == "on" || text == "off" else { throw refusal(text, "is neither on nor off") }
            settings[keyPath: property] = text == "on"
        case .policy(let property):
            guard let mode = PolicyMode(rawValue: text) else { throw refusal(text, "is no policy") }
            settings[keyPath: property] = mode
        default:
            return
        }
    }

    private func duration(_ text: String, _ range: ClosedRange<Duration>) throws(SettingProblem) -> Duration {
        guard let duration = DurationText.parse(text) else {
            let isBare = Digits.split(text)?.1.isEmpty ?? false
            throw refusal(text, isBare ? "has no unit (ms, s, m, h or d)" : "is no duration")
        }
        guard range.contains(duration) else { throw refusal(text, "is out of range") }
        return duration
    }

    /// Comma-separated; an empty text is the empty list where that makes sense.
    private func list<Element>(
        _ text: String, _ complaint: String, _ parse: (String) -> Element?
    ) throws(SettingProblem) -> [Element] {
        var elements: [Element] = []
        for part in text.split(separator: ",") {
            let word = part.withoutOuterBlanks
            if word.isEmpty { continue }
            guard let element = parse(word) else { throw refusal(word, complaint) }
            elements.append(element)
        }
        if elements.isEmpty, case .addresses = kind { throw refusal(text, "names no address to listen on") }
        return elements
    }

    private func refusal(_ text: String, _ complaint: String) -> SettingProblem {
        SettingProblem(text: text, complaint: complaint, advice: "write \(accepted)")
    }

    /// RFC 9110 5.6.2, letters, digits and dashes only.
    private static func isToken(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D: true
                default: false
                }
            }
    }

    /// Printable ASCII without blanks.
    private static func isWord(_ text: String) -> Bool {
        (1...1024).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }

    /// What a secret may be sent to: over TLS, or without leaving the machine.
    private static func isService(_ text: String) -> Bool {
        guard isWord(text), let address = try? DownloadAddress(text) else { return false }
        return address.isSecure || ["127.0.0.1", "::1", "localhost"].contains(address.host.text)
    }

    private static func isPath(_ text: String) -> Bool {
        (1...4095).contains(text.utf8.count) && !text.unicodeScalars.contains { $0.value < 0x20 }
    }
}

/// What is wrong with a value, before it is known where the value came from.
struct SettingProblem: Error {
    var text: String
    var complaint: String
    var advice: String
}

// MARK: - Showing

extension Setting {
    /// What may be written, as the second half of "write ...".
    package var accepted: String {
        switch kind {
        case .duration(_, let range): "a duration \(Self.span(range))"
        case .expiry(_, let range): "\"never\" or a duration \(Self.span(range))"
        case .bytes(_, let range): "a size from \(ByteText.describe(range.lowerBound)) to \(ByteText.describe(range.upperBound))"
        case .count(_, let range, let zero):
            "a number from \(range.lowerBound) to \(range.upperBound)" + (zero.map { " (0: \($0))" } ?? "")
        case .addresses: "ADDRESS:PORT with a numeric address, such as 127.0.0.1:8787, [::1]:8787 or *:8787, or unix:/PATH"
        case .admin: "data-dir, off, a loopback address with a port such as 127.0.0.1:8788, or unix:/PATH"
        case .networks: "networks such as 10.0.0.0/8 or fd00::/8, single addresses, or unix"
        case .origins: "origins such as https://example.org, separated by commas"
        case .hosts: "host names, with a port or without, separated by commas"
        case .origin: "http:// or https://, a host and perhaps a port, such as https://link.example.org"
        case .headerName: "a header name such as X-Forwarded-User"
        case .directory: "the path of a directory"
        case .file: "the path of a file"
        case .level: "one of " + Log.Level.allCases.map(\.name).joined(separator: ", ")
        case .format: "one of " + LogFormat.allCases.map(\.rawValue).joined(separator: ", ")
        case .word: "text without blanks, such as https://login.example.org"
        case .service: "an https address, or an http address of this machine, such as https://login.example.org/introspect"
        case .claim: "the name of a claim, such as sub or preferred_username"
        case .toggle: "on or off"
        case .policy: "one of " + PolicyMode.allCases.map(\.rawValue).joined(separator: ", ")
        case .words(_, let word): word.accepted
        }
    }

    private static func span(_ range: ClosedRange<Duration>) -> String {
        "from \(DurationText.describe(range.lowerBound)) to \(DurationText.describe(range.upperBound))"
    }

    /// The value in `settings`, in a form that `apply` reads back.
    package func value(in settings: Settings) -> String {
        switch kind {
        case .duration(let property, _): DurationText.describe(settings[keyPath: property])
        case .expiry(let property, _): settings[keyPath: property].map { DurationText.describe($0) } ?? "never"
        case .bytes(let property, _): ByteText.describe(settings[keyPath: property])
        case .count(let property, _, _): String(settings[keyPath: property])
        case .addresses(let property): settings[keyPath: property].map(\.description).joined(separator: ",")
        case .admin(let property): settings[keyPath: property].description
        case .networks(let property): settings[keyPath: property].map(\.description).joined(separator: ",")
        case .origins(let property), .hosts(let property), .words(let property, _):
            settings[keyPath: property].joined(separator: ",")
        case .origin(let property), .headerName(let property), .file(let property), .word(let property),
            .service(let property):
            settings[keyPath: property] ?? ""
        case .directory(let property, _): settings[keyPath: property]
        case .level(let property): settings[keyPath: property].name
        case .format(let property): settings[keyPath: property].rawValue
        case .toggle(let property): settings[keyPath: property] ? "on" : "off"
        case .policy(let property): settings[keyPath: property].rawValue
        case .claim(let property): settings[keyPath: property]
        }
    }

    /// The default as documentation shows it.
    package var defaultText: String {
        if case .directory(_, let fallback) = kind { return fallback }
        let text = value(in: Settings())
        return text.isEmpty ? "none" : text
    }
}

extension Substring {
    /// Without blanks and tabs at its ends.
    var withoutOuterBlanks: String {
        let isBlank = { (c: Character) in c == " " || c == "\t" }
        var rest = drop(while: isBlank)
        while let last = rest.last, isBlank(last) { rest = rest.dropLast() }
        return String(rest)
    }
}
