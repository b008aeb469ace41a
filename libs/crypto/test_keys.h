#ifndef FETTLE_LIBS_CRYPTO_TEST_KEYS_H_
#define FETTLE_LIBS_CRYPTO_TEST_KEYS_H_

// An RSA key pair for tests. It is published with the source, so it protects nothing.
namespace fettle::crypto {

inline constexpr char kTestRsaKid[] = "rsa/1+a";

inline constexpr char kTestRsaPublicJwk[] =
    "{\"kty\":\"RSA\",\"alg\":\"RS256\",\"kid\":\"rsa/"
    "1+a\",\"e\":\"AQAB\",\"n\":\"haVGAkhMJ8ZD5-b9DmNybERj8CIAT"
    "DmIx2w_bQphY2m4IPpMyUmi7jBIVHAEyzVmQsR7AS8Og85MrMfv4lCFNxTaGg3HumD1d6Ow-y9agH4bah-Ekbfli"
    "ieDSecCjNFN6yfSqsX5WbIIcKgffw-9ZgQnmzfUp0kksg27N5n8odG8vjacHMAeS9A5H7MSW2gRUP2Ytb-QfwYX7"
    "uajVetLTMa58FgWAIVdiChJLh8kG2IN745ODtf9oHX7YIW5vDCBWX2lKC7s3Op0aIfVQ0oKoO1lLKPaViyBgH5TS"
    "HYUgMRCQpQ_H5uJ-dGrWgM06YozUeD9i-L_MhEMSHofAA6icQ\"}";

inline constexpr char kTestRsaPrivateJwk[] =
    "{\"kty\":\"RSA\",\"alg\":\"RS256\",\"kid\":\"rsa/"
    "1+a\",\"e\":\"AQAB\",\"n\":\"haVGAkhMJ8ZD5-b9DmNybERj8CIAT"
    "DmIx2w_bQphY2m4IPpMyUmi7jBIVHAEyzVmQsR7AS8Og85MrMfv4lCFNxTaGg3HumD1d6Ow-y9agH4bah-Ekbfli"
    "ieDSecCjNFN6yfSqsX5WbIIcKgffw-9ZgQnmzfUp0kksg27N5n8odG8vjacHMAeS9A5H7MSW2gRUP2Ytb-QfwYX7"
    "uajVetLTMa58FgWAIVdiChJLh8kG2IN745ODtf9oHX7YIW5vDCBWX2lKC7s3Op0aIfVQ0oKoO1lLKPaViyBgH5TS"
    "HYUgMRCQpQ_H5uJ-dGrWgM06YozUeD9i-L_MhEMSHofAA6icQ\",\"d\":\"EScuzqEv4RUB5zRO-3dJGttGRm5ewmnK"
    "A-qBU4H3EPbjMpxdmaIxXsfkqK2998TxTJWCQhsjjkg-sBhzUgVKq9Cp05k8LtA-AS6Jyxt_Tqmg5CSKc9d6Bxre"
    "L3COc7tzeECiuddyExCWI7t4W2sOQJc87B-k1Bm_s3iutEq30Z710Mg4CgmQZJdAgwnNyXcmBlUhbaOQGUpLDg3Z"
    "_nywzLkNIgZaRPDl0EHamPK789Ahv0AJSithmlnsUVLgqlafrtx0lCcTgC4F_pbSKJyX_FmoXb3pj7_-X3SFYyba"
    "utqB-zZL4VzE9rKvNPdEAXMWxFvRaI_Et5iU6M6UHMNVfw\",\"p\":\"vIYmYEWLf5jXfot1czs4_0sEgJj0IG7-PbA"
    "8DwJeE5onqJYNKN59zcLKRPy9RFMf4ESg_WAGFVFIOCqRhGJIVYAuDfKHpRGgdjvs-DcsbBUGhJP4DxoP2H-ZL7K"
    "QrBHE2LQOX3SUMs2sugbg4BN0L9243xsH-7b6zFgALjHQXH8\",\"q\":\"tXrKQUfXMCQXocgD9Bc5DaBJW3iZxs40P"
    "vj1ejAirDvyS54GcI40N24XViyf22nZGfMf0e6bArBe4PP3SFnaO0t7V5U6dQb4bExSxZGzSxjDgX3Vpbgla-xHZ"
    "tNKWP84PRXPqM4VrjNxr6xDL7MZP4h4G6EapMm0ldBSl10HSQ8\",\"dp\":\"LsvuAr_AnO_HrjXX9b6hq11nxLQzBU"
    "oH-jAg-GjSCXOenI6Cvb5c5BKSOwWxxaAMrZLbk4meePQwRSDr9jyfT_n9dKDbYvI5LqA5dnPbpwihEY_ZZ4ZEoK"
    "0rzVc56jyO7GvllXROxT2gvpyufXDWynrzRQ5ksOr-3nKJuO3Mluk\",\"dq\":\"Q1QM2W9HvIqHYfQM03ASMKX40UD"
    "K_GDgLUS7_dsB4hhTag50oSmA4desPMJNhF-etevnMEFvrO22JYsdgPAk8L6uQe4RQ_2UCMnAI6BMfl3vmokOzG6"
    "nI4UDcHiPKrl1KeR_qEbc8EYRtXUZcAboJRQCS23Xrq9Omg4xtgpDe60\",\"qi\":\"V9PqmE-AbHIyVW-WdCje38p3"
    "2n7UvwpbYUz-0JYVbN0Lkk9_sDFu93wT4pu9bQNzsqZVhwMpXzjFd0DaXfo3ISvoGtfIbevV5flJ-Esk8hZFcB30"
    "KVCtNjEgw354r6rTX-ve8bbfxPieZVNa4cPYfvHaiz-W6mZzelHf-hbXp8s\"}";

// The same public key, as an issuer publishes it for tools that read PEM.
inline constexpr char kTestRsaPublicPem[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAhaVGAkhMJ8ZD5+b9DmNy\n"
    "bERj8CIATDmIx2w/bQphY2m4IPpMyUmi7jBIVHAEyzVmQsR7AS8Og85MrMfv4lCF\n"
    "NxTaGg3HumD1d6Ow+y9agH4bah+EkbfliieDSecCjNFN6yfSqsX5WbIIcKgffw+9\n"
    "ZgQnmzfUp0kksg27N5n8odG8vjacHMAeS9A5H7MSW2gRUP2Ytb+QfwYX7uajVetL\n"
    "TMa58FgWAIVdiChJLh8kG2IN745ODtf9oHX7YIW5vDCBWX2lKC7s3Op0aIfVQ0oK\n"
    "oO1lLKPaViyBgH5TSHYUgMRCQpQ/H5uJ+dGrWgM06YozUeD9i+L/MhEMSHofAA6i\n"
    "cQIDAQAB\n"
    "-----END PUBLIC KEY-----\n";

}  // namespace fettle::crypto

#endif  // FETTLE_LIBS_CRYPTO_TEST_KEYS_H_
