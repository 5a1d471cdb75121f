/* A certificate of our own making, for a trial in the local network: ECDSA P-256, signed by itself, in one file with its key.
 * Any thread, blocks on the disk. Decides what such a certificate says and when one is still good enough.
 * Never leaves a half-written file, nor a key that others may read. SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tls_internal.h"

#define DAYS 397      /* longer ones are refused by some systems even when a person trusts them */
#define NAME_BYTES 254u
#define NAME_COUNT 64

/* The next of `names`, without blanks; false at the end or if it is too long to be one. */
static bool next_name(const char **names, char out[NAME_BYTES])
{
    const char *p = *names + strspn(*names, " ,");
    const size_t n = strcspn(p, " ,");
    if (n == 0 || n >= NAME_BYTES)
        return false;
    memcpy(out, p, n);
    out[n] = '\0';
    *names = p + n;
    return true;
}

static bool is_numeric(const char *name)
{
    uint8_t bytes[16];
    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

/* ---- the certificate */

static bool add_name(GENERAL_NAMES *all, const char *name)
{
    GENERAL_NAME *one = a2i_GENERAL_NAME(NULL, NULL, NULL, is_numeric(name) ? GEN_IPADD : GEN_DNS, name, 0);
    if (one && sk_GENERAL_NAME_push(all, one) > 0)
        return true;
    GENERAL_NAME_free(one);
    return false;
}

static bool add_names(X509 *x, const char *names)
{
    GENERAL_NAMES *all = sk_GENERAL_NAME_new_null();
    char name[NAME_BYTES];
    bool is_good = all != NULL;
    for (int i = 0; is_good && i < NAME_COUNT && next_name(&names, name); i++)
        is_good = add_name(all, name);
    is_good = is_good && X509_add1_ext_i2d(x, NID_subject_alt_name, all, 0, X509V3_ADD_DEFAULT) == 1;
    GENERAL_NAMES_free(all);
    return is_good;
}

static bool add_extension(X509 *x, int nid, const char *value)
{
    X509V3_CTX v3;
    X509V3_set_ctx_nodb(&v3);
    X509V3_set_ctx(&v3, x, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &v3, nid, value);
    const bool is_good = e && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    return is_good;
}

static bool set_serial(X509 *x)
{
    unsigned char bytes[16];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    bytes[0] &= 0x7F; /* positive, RFC 5280 4.1.2.2 */
    BIGNUM *n = BN_bin2bn(bytes, sizeof bytes, NULL);
    const bool is_good = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
    BN_free(n);
    return is_good;
}

static bool fill(X509 *x, EVP_PKEY *key, const char *names)
{
    X509_NAME *subject = X509_get_subject_name(x);
    /* No CA: whoever comes to trust it trusts this relay and nobody that it might vouch for. */
    return X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) && X509_gmtime_adj(X509_getm_notBefore(x), -86400) &&
           X509_time_adj_ex(X509_getm_notAfter(x), DAYS - 1, 0, NULL) && X509_set_pubkey(x, key) == 1 &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)"LinkRelay, self-signed", -1, -1, 0) == 1 &&
           X509_set_issuer_name(x, subject) == 1 && add_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(x, NID_key_usage, "critical,digitalSignature") && add_extension(x, NID_ext_key_usage, "serverAuth") &&
           add_extension(x, NID_subject_key_identifier, "hash") && add_names(x, names) &&
           X509_sign(x, key, EVP_sha256()) > 0;
}

/* ---- the file */

static bool write_file(const char *draft, X509 *x, EVP_PKEY *key)
{
    (void)unlink(draft); /* of an attempt that was interrupted */
    const int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    FILE *f = fdopen(fd, "w");
    if (!f) {
        close(fd);
        return false;
    }
    bool is_good = PEM_write_X509(f, x) == 1 && PEM_write_PKCS8PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1;
    is_good = is_good && fflush(f) == 0 && fsync(fd) == 0;
    return fclose(f) == 0 && is_good;
}

bool cws_tls_self_signed(const char *path, const char *names, char *error, size_t error_n)
{
    char draft[4096];
    const int n = snprintf(draft, sizeof draft, "%s.new", path);
    ERR_clear_error();
    errno = n > 0 && (size_t)n < sizeof draft ? 0 : ENAMETOOLONG;
    EVP_PKEY *key = errno ? NULL : EVP_EC_gen("P-256");
    X509 *x = X509_new();
    bool is_good = key && x && fill(x, key, names);
    if (is_good && (!write_file(draft, x, key) || rename(draft, path) != 0)) {
        cws_tls_explain("the self-signed certificate cannot be written", error, error_n);
        (void)unlink(draft);
        is_good = false;
    } else if (!is_good) {
        cws_tls_explain("a self-signed certificate cannot be made", error, error_n);
    }
    X509_free(x);
    EVP_PKEY_free(key);
    return is_good;
}

static bool covers(X509 *x, const char *names, uint32_t days)
{
    char name[NAME_BYTES];
    time_t until = time(NULL) + (time_t)days * 86400;
    if (X509_cmp_time(X509_get0_notAfter(x), &until) <= 0)
        return false;
    for (int i = 0; i < NAME_COUNT && next_name(&names, name); i++) {
        const int fits = is_numeric(name) ? X509_check_ip_asc(x, name, 0)
                                          : X509_check_host(x, name, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL);
        if (fits != 1)
            return false;
    }
    return true;
}

bool cws_tls_covers(const char *path, const char *names, uint32_t days)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    X509 *x = PEM_read_X509(f, NULL, NULL, NULL);
    (void)fclose(f);
    const bool is_covered = x && covers(x, names, days);
    X509_free(x);
    ERR_clear_error();
    return is_covered;
}
