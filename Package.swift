// swift-tools-version: 6.2
import PackageDescription

let swiftSettings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("ExistentialAny"),
]
// Release builds leave out dynamic exclusivity checks (12 ns an access on the message path); debug builds and every test keep them.
let relaySettings = swiftSettings + [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]
let cSettings: [CSetting] = [
    .define("_GNU_SOURCE"),
    .define("NDEBUG", .when(configuration: .release)),
    .treatAllWarnings(as: .error),
    .enableWarning("all"),
    .enableWarning("extra"),
    .enableWarning("shadow"),
    .enableWarning("conversion"),
]

let package = Package(
    name: "linkrelay",
    products: [.executable(name: "relayd", targets: ["relayd"])],
    targets: [
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CQREncode", pkgConfig: "libqrencode", providers: [.apt(["libqrencode-dev"])]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .target(name: "CWebSocket", dependencies: ["COpenSSL", "CZlib"], cSettings: cSettings),
        .target(name: "CCrypto", dependencies: ["COpenSSL"], cSettings: cSettings),
        .target(name: "CHTTPClient", dependencies: ["CCurl"], cSettings: cSettings),
        .target(name: "CVector", cSettings: cSettings),
        .target(name: "LinkProtocol", dependencies: ["CVector"], swiftSettings: swiftSettings),
        .target(
            name: "LinkRelay", dependencies: ["LinkProtocol", "CWebSocket", "CCrypto", "CHTTPClient", "CQREncode", "CSQLite"],
            swiftSettings: relaySettings),
        .executableTarget(name: "relayd", dependencies: ["LinkRelay"], swiftSettings: swiftSettings),
        .testTarget(name: "LinkProtocolTests", dependencies: ["LinkProtocol"], swiftSettings: swiftSettings),
        .testTarget(name: "LinkRelayTests", dependencies: ["LinkRelay"], swiftSettings: swiftSettings),
    ],
    cLanguageStandard: .c11
)
