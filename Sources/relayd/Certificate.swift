// The certificate that this relay shows: the operator's files, or one of its own making in the data directory.
//
// At start and on SIGHUP; blocks on files. Decides which files those are and when a self-signed one is made anew.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinkRelay

struct Certificate: Sendable {
    let tls: TLSContext
    private let certificatePath: String
    private let keyPath: String
    /// Nil for the operator's own.
    private let selfSignedNames: [String]?

    private static let fileName = "tls-self-signed.pem"
    /// A certificate with less time left is made anew at the next start or SIGHUP.
    private static let daysLeft: UInt32 = 30

    /// Nil when the settings ask for no TLS.
    static func open(_ settings: Settings, dataPath: String) throws(Failure) -> Certificate? {
        guard settings.usesTLS else { return nil }
        let own = "\(dataPath)/\(fileName)"
        let certificatePath = settings.tlsCert ?? own
        let keyPath = settings.tlsKey ?? own
        let names = settings.tlsSelfSigned ? LocalNames.all(settings) : nil
        do {
            try refresh(certificatePath, names)
            let tls = try TLSContext(certificate: certificatePath, key: keyPath)
            return Certificate(tls: tls, certificatePath: certificatePath, keyPath: keyPath, selfSignedNames: names)
        } catch {
            throw Failure(.settings, "TLS with \(certificatePath): \(error).")
        }
    }

    /// Says so if others can read the key. It may be meant, as in a container, so it is no reason not to start.
    func noteReaders(_ log: Log) {
        var status = stat()
        guard stat(keyPath, &status) == 0, status.st_mode & 0o004 != 0 else { return }
        log.write(.warning, "key_readable_by_others", ["file": .string(keyPath), "advice": "chmod o-r it"])
    }

    /// Reads the operator's files as a start would; makes none.
    static func check(_ settings: Settings) throws(Failure) {
        if settings.tlsCert != nil { _ = try open(settings, dataPath: settings.dataDir) }
    }

    private static func refresh(_ path: String, _ names: [String]?) throws(TLSFailure) {
        guard let names, !TLSContext.covers(path: path, names: names, days: daysLeft) else { return }
        try TLSContext.makeSelfSigned(path: path, names: names)
    }

    /// Reads the files again. Open connections go on; if the files are no good, so does the old certificate.
    func reload(_ log: Log) {
        do {
            try Self.refresh(certificatePath, selfSignedNames)
            try tls.reload(certificate: certificatePath, key: keyPath)
            log.write(.notice, "certificate_read", ["fingerprint": .string(tls.fingerprint)])
            noteReaders(log)
        } catch {
            log.write(.error, "certificate_refused", ["file": .string(certificatePath), "reason": .string(error.description)])
        }
    }

    /// What to compare a browser's warning with; nil for a certificate that others vouch for.
    var fingerprintLine: String? {
        selfSignedNames.map { _ in "certificate fingerprint (SHA-256): \(tls.fingerprint)" }
    }
}

/// The names under which this machine is likely to be called.
enum LocalNames {
    static func all(_ settings: Settings) -> [String] {
        var names = ["localhost", "127.0.0.1", "::1"]
        for case .tcp(let host, _) in settings.listen {
            names += host == "0.0.0.0" || host == "::" ? interfaceAddresses() : [host]
        }
        names += settings.acceptedHostNames
        var seen: Set<String> = []
        return names.filter { seen.insert($0).inserted }
    }

    /// Addresses of this machine's interfaces; those that mean nothing without a zone are left out.
    private static func interfaceAddresses() -> [String] {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return [] }
        defer { freeifaddrs(first) }
        var found: [String] = []
        var next = first
        while let one = next {
            if let address = one.pointee.ifa_addr, let text = numeric(address), !text.contains("%") { found.append(text) }
            next = one.pointee.ifa_next
        }
        return found
    }

    private static func numeric(_ address: UnsafeMutablePointer<sockaddr>) -> String? {
        let family = Int32(address.pointee.sa_family)
        guard family == AF_INET || family == AF_INET6 else { return nil }
        let size = family == AF_INET ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size
        var out = [CChar](repeating: 0, count: 64)
        guard getnameinfo(address, socklen_t(size), &out, socklen_t(out.count), nil, 0, NI_NUMERICHOST) == 0 else { return nil }
        return String(decoding: out.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
