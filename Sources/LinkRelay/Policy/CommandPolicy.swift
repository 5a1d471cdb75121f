// What a command may make an install download, and under which names: accepted or refused, never changed.
//
// Pure, any thread. Looks at the bytes that will be relayed, as a receiver would read them. Resolves no names: a public name may
// lead into the install's network all the same, and a redirect anywhere (docs/adr/0012-command-policy.md).
// SPDX-License-Identifier: Apache-2.0

package enum PolicyMode: String, Sendable, CaseIterable { case strict, open }

/// The operator's policy.
package struct CommandPolicy: Sendable, Equatable {
    package var mode: PolicyMode
    /// Empty = every public host.
    package var hosts: [String]
    package var suffixes: [String]
    /// Hosts of the install's own network that are allowed all the same.
    package var lanHosts: [String]

    package static let defaultSuffixes = [
        ".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".onnx", ".zip", ".yaml", ".yml", ".json", ".txt",
        ".png", ".jpg", ".jpeg", ".webp",
    ]

    package init(
        mode: PolicyMode = .strict, hosts: [String] = [], suffixes: [String] = defaultSuffixes, lanHosts: [String] = []
    ) {
        self.mode = mode
        self.hosts = hosts
        self.suffixes = suffixes
        self.lanHosts = lanHosts
    }

    /// With what an owner decided for one link.
    func with(_ own: InstancePolicy?) -> CommandPolicy {
        guard let own else { return self }
        return CommandPolicy(
            mode: own.mode ?? mode, hosts: hosts + own.hosts, suffixes: suffixes + own.suffixes,
            lanHosts: lanHosts + own.lanHosts)
    }

    // MARK: Addresses

    /// The rule that a download address breaks; nil for an allowed one.
    func rule(forAddress text: String) -> PolicyRule? {
        let address: DownloadAddress
        do throws(PolicyViolation) { address = try DownloadAddress(text) } catch { return error.rule }
        if isOnLAN(address) { return nil }
        if !address.isSecure { return .scheme }
        if let rule = address.host.rule { return rule }
        return hosts.isEmpty || isListed(address.host) ? nil : .hostNotListed
    }

    private func isOnLAN(_ address: DownloadAddress) -> Bool {
        let host = PolicyWord.bracketed(address.host)
        let port = address.port ?? (address.isSecure ? 443 : 80)
        return lanHosts.contains { $0 == host || $0 == "\(host):\(port)" }
    }

    private func isListed(_ host: DownloadHost) -> Bool {
        let text = PolicyWord.bracketed(host)
        return hosts.contains { word in
            word.hasPrefix("*.") ? host.address == nil && text.hasSuffix(word.dropFirst()) : word == text
        }
    }

    /// The rule that a file name breaks; nil for an allowed one. An existing file may have any suffix.
    func rule(forName name: String, isNew: Bool) -> PolicyRule? {
        if let rule = FileName.rule(name) { return rule }
        return isNew && !FileName.hasSuffix(name, among: suffixes) ? .suffixNotAllowed : nil
    }
}

/// What the owner of a link decided for it; whatever is not decided is the operator's.
package struct InstancePolicy: Sendable, Hashable {
    /// Nil = the operator's.
    package var mode: PolicyMode?
    package var hosts: [String]
    package var suffixes: [String]
    package var lanHosts: [String]

    /// Most words in one list.
    package static let wordCount = 32

    package init(mode: PolicyMode? = nil, hosts: [String] = [], suffixes: [String] = [], lanHosts: [String] = []) {
        self.mode = mode
        self.hosts = hosts
        self.suffixes = suffixes
        self.lanHosts = lanHosts
    }

    package var isDefault: Bool { self == InstancePolicy() }
}
