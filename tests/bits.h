/* What bits_test.c computes: hashes of all results, for each instruction set by its word in LETHE_CPU. */
enum { BITS_ENGINES = 4, BITS_STEPS = 20 };
static const char *const bits_engines[BITS_ENGINES] = {"avx512", "avx2", "v2", "neon"};

// clang-format off
static const struct {
    const char *name;
    uint64_t of[BITS_ENGINES];
} bits_ops[OP_COUNT] = {
    {"gemm", {0x86ff96e759fffe23, 0xc1b04fcd4206fefc, 0xee98ce48395741fb, 0x7fa62f428194d0dd}},
    {"gelu", {0xdd7720f7668054e0, 0xdd7720f7668054e0, 0x82a17ae385177679, 0xdd7720f7668054e0}},
    {"gelu_grad", {0xf913aeeb273960fa, 0xf913aeeb273960fa, 0x37c01db05657f2ba, 0xf913aeeb273960fa}},
    {"tanh", {0xf40e6aacedeb6197, 0xf40e6aacedeb6197, 0xc8f586d54f6d706e, 0xf40e6aacedeb6197}},
    {"tanh_grad", {0x0524d0643fe48674, 0x0524d0643fe48674, 0x2fe26549556dcd0f, 0x0524d0643fe48674}},
    {"relu", {0xeeaaf22f5e8dc899, 0xeeaaf22f5e8dc899, 0xeeaaf22f5e8dc899, 0xeeaaf22f5e8dc899}},
    {"relu_grad", {0x19b71efdc3e96c38, 0x19b71efdc3e96c38, 0x19b71efdc3e96c38, 0x19b71efdc3e96c38}},
    {"layernorm", {0xf5d896de38224478, 0xbbcaed19d761f173, 0x73eb12de2cf0f4f5, 0x6cf9a7de9b726eb5}},
    {"layernorm_dx", {0xf7607ad797775cea, 0xae7697011388b8b6, 0xe10d71ca1e6dc6be, 0xcb5525515a3a1f24}},
    {"layernorm_dw", {0xa711be1420c1fffb, 0xa711be1420c1fffb, 0xf449504717a6f783, 0xa711be1420c1fffb}},
    {"column_sum", {0x6eee5a3385995bd8, 0x6eee5a3385995bd8, 0x6eee5a3385995bd8, 0x6eee5a3385995bd8}},
    {"attention", {0xf3165d377b3a2319, 0x42d91c956fd64b28, 0xc99562baad77ba0c, 0x9629a0ab75302f44}},
    {"attention_grad", {0x884c0dd1954f14ec, 0x24fe384b6a7613cc, 0xb27e20654f7d180a, 0x809b65044a0cfab1}},
    {"embed", {0xe578bca0691f91e6, 0xe578bca0691f91e6, 0xe578bca0691f91e6, 0xe578bca0691f91e6}},
    {"embed_grad", {0x3950665d4131b375, 0x3950665d4131b375, 0x3950665d4131b375, 0x3950665d4131b375}},
    {"gather_rows", {0xecc495dcc29f2ac6, 0xecc495dcc29f2ac6, 0xecc495dcc29f2ac6, 0xecc495dcc29f2ac6}},
    {"scatter_rows", {0x1a492622e1fdcce2, 0x1a492622e1fdcce2, 0x1a492622e1fdcce2, 0x1a492622e1fdcce2}},
    {"dropout", {0xde94028f69b93feb, 0xde94028f69b93feb, 0xde94028f69b93feb, 0xde94028f69b93feb}},
    {"axpby", {0xa4cb910ab9654b20, 0xa4cb910ab9654b20, 0x041f60db538789c7, 0xa4cb910ab9654b20}},
    {"copy", {0x3cfb685f310909f5, 0x3cfb685f310909f5, 0x3cfb685f310909f5, 0x3cfb685f310909f5}},
    {"fill", {0x04e1a721e9364ed9, 0x04e1a721e9364ed9, 0x04e1a721e9364ed9, 0x04e1a721e9364ed9}},
    {"zero_rows", {0xee12c24d35c886be, 0xee12c24d35c886be, 0xee12c24d35c886be, 0xee12c24d35c886be}},
    {"cross_entropy", {0x3c4f568cf67c8a7a, 0x3c4f568cf67c8a7a, 0x3c4f568cf67c8a7a, 0x3c4f568cf67c8a7a}},
    {"distill", {0x26d84b75061bcb67, 0x26d84b75061bcb67, 0x26d84b75061bcb67, 0x26d84b75061bcb67}},
    {"mse", {0xc9af240c63d4a628, 0xc9af240c63d4a628, 0xc9af240c63d4a628, 0xc9af240c63d4a628}},
    {"dot", {0xcac7066937fdd1a6, 0x041f8f1ddc0fea6d, 0xe7358ec1c758ce68, 0x95fe127a8b094bf8}},
    {"clip", {0x1757c4ea215ffc38, 0x1757c4ea215ffc38, 0x1757c4ea215ffc38, 0x1757c4ea215ffc38}},
    {"projection", {0xd1b42d85a407500c, 0xd1b42d85a407500c, 0xd1b42d85a407500c, 0xd1b42d85a407500c}},
    {"quadratic_penalty", {0x2bcdf93c3e276d50, 0xf98211aba0f7e721, 0xba7febdbe25469dc, 0xca07d0cacd4291ad}},
    {"path_integral", {0xc5149a39c4af866b, 0xc5149a39c4af866b, 0x1edcccd61cbdc9e9, 0xc5149a39c4af866b}},
    {"consolidate", {0xdf5e8f8a5b05af22, 0xdf5e8f8a5b05af22, 0x080a86973144cad9, 0xdf5e8f8a5b05af22}},
    {"gemm_importance", {0xfadd48eb2e7d0871, 0xfadd48eb2e7d0871, 0x83c39d26c433c881, 0xfadd48eb2e7d0871}},
    {"column_importance", {0x9d8f9f7013d824a6, 0x9d8f9f7013d824a6, 0xd3e8ca1a581d005f, 0x9d8f9f7013d824a6}},
    {"embed_importance", {0xa3ede481020473e5, 0xa3ede481020473e5, 0xefb59c2d31b17ad6, 0xa3ede481020473e5}},
    {"lora_down", {0x9b5c744c0f35adc4, 0x9b5c744c0f35adc4, 0xcb12afec974af65f, 0x9b5c744c0f35adc4}},
    {"lora_dx", {0x83982454111538c6, 0x83982454111538c6, 0xd5d697e5daa931f9, 0x83982454111538c6}},
    {"lora_dw", {0x895c8dd664713750, 0xac8e083898da2b48, 0x005ba5a534e5c7e2, 0xac8e083898da2b48}},
    {"adamw", {0x9fce122a0eb82abf, 0x9fce122a0eb82abf, 0xb4c51e4b1685f749, 0x9fce122a0eb82abf}},
    {"adamw_rows", {0x825afa93951ad205, 0x825afa93951ad205, 0x85b12beb1f2838b2, 0x825afa93951ad205}},
    {"wake_rows", {0xe21d53bd6ebb29b3, 0xe21d53bd6ebb29b3, 0xe21d53bd6ebb29b3, 0xe21d53bd6ebb29b3}},
    {"sign", {0x0de6417f9d99dffb, 0x0de6417f9d99dffb, 0x0de6417f9d99dffb, 0x0de6417f9d99dffb}},
    {"geglu", {0x077e50c505bf2de8, 0x077e50c505bf2de8, 0x5f7464ad2eb3fb7b, 0x077e50c505bf2de8}},
    {"geglu_grad", {0xc8aafbc69367eb39, 0xc8aafbc69367eb39, 0x095ab7ee16f7c034, 0xc8aafbc69367eb39}},
    {"rope", {0xd765381d24539cf2, 0xd765381d24539cf2, 0x0859d806181f6fc6, 0xd765381d24539cf2}},
    {"attention_local", {0x37827bbb125bc05d, 0x98a63f5fbe35c2bb, 0xdd7772cb87859d49, 0x814ef5bfb8cb72c0}},
    {"attention_local_grad", {0x313e2e7635a4d738, 0x9b490cbc1b357205, 0x4e16a046893c1d5f, 0xa7e943ec0e89aa4d}},
    {"average", {0xf54f1f18d7e9f2ed, 0xf54f1f18d7e9f2ed, 0xf54f1f18d7e9f2ed, 0xf54f1f18d7e9f2ed}},
    {"average_grad", {0xd5cadd3b404d0f29, 0xd5cadd3b404d0f29, 0xd5cadd3b404d0f29, 0xd5cadd3b404d0f29}},
    {"relative_bias", {0x78cb5e8f87f0dc4b, 0x78cb5e8f87f0dc4b, 0x78cb5e8f87f0dc4b, 0x78cb5e8f87f0dc4b}},
    {"relative_bias_grad", {0x904c368ceddd24b6, 0x904c368ceddd24b6, 0x904c368ceddd24b6, 0x904c368ceddd24b6}},
    {"relative_attention", {0xaef39993b37187a8, 0xf0313a1a50586677, 0x7dd7caef0f0bdd03, 0xede133d9112cfe08}},
    {"relative_attention_grad", {0x82d8ebdf4a1bcaca, 0x961b2b32ac44460c, 0x0d3a5e279ba9a0f7, 0x9e96161fc2c3285f}},
};

/* in the order of bits_ranges */
static const uint64_t bits_functions[] = {
    0xacdebe076a8b8ee2,
    0xc3d76cb382585690,
    0xc50c3f8996fe8310,
    0xe4a21e57f258baf4,
    0x5e074ea9413500a5,
    0x7761356bd7113488,
    0x34d40514116c66a4,
    0x0415cecc8dafb7dc,
    0xa24c5685b3d190a7,
    0xa9fa41688a106d2a,
    0xb353f0d22b940fd5,
    0x63f32da150f4a3ca,
    0xe61d725ec12993fb,
    0x5069634e692b92f0,
};

/* Losses and norms of all steps: every parameter trained; LoRA. */
static const uint64_t bits_trainings[2][BITS_ENGINES] = {
    {0x10d00f09abc270b1, 0xd67a36f0a7d265bf, 0xf0f3eac0e7545f3d, 0xa8d7019edab0755a},
    {0xc37891a7f2420517, 0x690f9c6a91d81df2, 0x1fd4d1697fb31ec5, 0x769572e3f119263d},
};

/* The first losses: to 1e-4 the same from every instruction set. */
static const float bits_losses[2][BITS_STEPS] = {
    {0x1.2f552ep+0f, 0x1.204e9p+0f, 0x1.2df35p+0f, 0x1.342376p+0f, 0x1.1c02fep+0f, 0x1.138978p+0f, 0x1.24f286p+0f, 0x1.1fcc82p+0f, 0x1.0fcca2p+0f, 0x1.324c2ep+0f, 0x1.163p+0f, 0x1.322ac8p+0f, 0x1.18f96ap+0f, 0x1.066d1cp+0f, 0x1.330eb2p+0f, 0x1.277df4p+0f, 0x1.10692ep+0f, 0x1.0fc5dep+0f, 0x1.14c52ap+0f, 0x1.2a4082p+0f},
    {0x1.2f5d66p+0f, 0x1.213d66p+0f, 0x1.2b1878p+0f, 0x1.32e932p+0f, 0x1.1dd97ep+0f, 0x1.150e9ep+0f, 0x1.290b84p+0f, 0x1.2700bep+0f, 0x1.0fcb62p+0f, 0x1.2bfd34p+0f, 0x1.1717ep+0f, 0x1.2d696ap+0f, 0x1.1ad224p+0f, 0x1.02256ap+0f, 0x1.2e3d7p+0f, 0x1.221aeap+0f, 0x1.0fe18ep+0f, 0x1.0e50b8p+0f, 0x1.1a822ap+0f, 0x1.2cc6a4p+0f},
};
// clang-format on
