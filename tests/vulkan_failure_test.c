/* What can go wrong with a GPU: calls that fail, a driver that computes nonsense, a damaged cache, a barrier that is
 * missing. Through tests/vulkan_layer.c. */

/* A little work from opening to closing a device; false as soon as something fails. */
static bool vulkan_little_work(Err *err)
{
    enum { N = 64 };
    static f32 numbers[N * N], back[N * N];
    Device device;
    for (int i = 0; i < N * N; i++) numbers[i] = (f32)(i % 7);
    bool ok = device_open(&device, "gpu", 1, err);
    if (ok) {
        DeviceArena memory = {.device = &device};
        f32p a = device_f32(&memory, N * N), b = device_f32(&memory, N * N);
        device_write(&device, a, numbers, sizeof numbers);
        RUN(&device, gemm, .a = a, .b = a, .c = b, .m = N, .n = N, .k = N, .lda = N, .ldb = N, .ldc = N, .alpha = 1);
        device_read(&device, back, b, sizeof back);
        ok = device_ok(&device, err);
        /* Nothing that looks like a result comes from a device that failed. */
        for (int i = 0; i < N * N && !ok; i++) assert_true(back[i] == 0);
        device_arena_free(&memory);
    }
    device_close(&device);
    return ok;
}

static void vulkan_expect_line(const Err *err, const char *call)
{
    if (err->code != EXIT_WORLD || strchr(err->text, '\n') || !strstr(err->text, "--device cpu"))
        fail_msg("%s failed: code %d, '%s'", call, err->code, err->text);
}

static void test_vulkan_calls_fail(void **state)
{
    (void)state;
    static const int sample[] = {1, 4, 30};
    int failures = 0;
    layer_install();
    for (size_t c = 0; c < COUNT(layer_may_fail); c++)
        for (int i = 0; i < (int)COUNT(sample) || every_failure(); i++) {
            const int at = every_failure() ? i + 1 : sample[i];
            Err err = {0};
            layer_fail(layer_may_fail[c], at, c % 2 ? VK_ERROR_OUT_OF_DEVICE_MEMORY : VK_ERROR_DEVICE_LOST);
            const bool ok = vulkan_little_work(&err);
            const int fails = layer.fails;
            layer_fail(NULL, 0, VK_SUCCESS);
            if (ok && fails) fail_msg("%s failed at call %d, but the work went on", layer_may_fail[c], at);
            failures += fails > 0;
            if (i == 0) assert_true(fails > 0);
            if (!ok) vulkan_expect_line(&err, layer_may_fail[c]);
            if (!fails) break; /* there are no more calls */
        }
    print_message("%d calls of %zu functions failed, one at a time\n", failures, COUNT(layer_may_fail));
    Err err = {0};
    assert_true(vulkan_little_work(&err));
}

/* ---- A run that loses its device: one line, exit code 1, results so far on disk, and it goes on from them ---- */

static bool vulkan_run_command(const char *out, Err *err)
{
    char *argv[] = {"lethe",
                    "run",
                    "--quiet",
                    "--model",
                    "build/test-tmp/model",
                    "--max-length",
                    "32",
                    "--method",
                    "full",
                    "--device",
                    "gpu",
                    "--epochs",
                    "2",
                    "--out",
                    (char *)(uintptr_t)out,
                    "--task",
                    "a=" T "good.tsv," T "good.tsv",
                    "--task",
                    "b=" T "good.tsv," T "good.tsv",
                    NULL};
    *err = (Err){0};
    return command_dispatch((int)COUNT(argv) - 1, argv, err);
}

static void test_vulkan_lost_in_a_run(void **state)
{
    (void)state;
    Err err;
    layer_install();
    write_good();
    fresh_model();
    sh("rm -rf build/test-tmp/lost build/test-tmp/kept");
    layer.dispatches = 0;
    if (!vulkan_run_command(T "kept", &err)) fail_msg("%s", err.text);
    layer_fail("vkQueueSubmit", 1, VK_ERROR_DEVICE_LOST);
    layer.fail_behind = layer.dispatches * 3 / 4; /* how many submissions there are, a cold compiler decides, too */
    layer.dispatches = 0;
    assert_false(vulkan_run_command(T "lost", &err));
    layer_fail(NULL, 0, VK_SUCCESS);
    vulkan_expect_line(&err, "vkQueueSubmit");
    assert_non_null(strstr(err.text, "the device was lost"));
    expect(sh("grep -c '\"event\":\"eval\"' build/test-tmp/lost/results.jsonl >/dev/null && "
              "test ! -e build/test-tmp/lost/summary.json"),
           0, "");
    if (!vulkan_run_command(T "lost", &err)) fail_msg("%s", err.text);
    expect(sh("cmp build/test-tmp/lost/predictions.tsv build/test-tmp/kept/predictions.tsv"), 0, "");
}

/* ---- A driver that computes nonsense is refused before it trains anything ---- */

static void test_vulkan_nonsense_is_refused(void **state)
{
    (void)state;
    layer_install();
    DeviceCase c;
    for (int i = 0; case_make(&c, quick_cases, i); i++) {
        const char *name = op_names[c.op], *message = arena_printf(&c.arena, "the op %s is wrong", case_text(&c));
        Device device;
        Err err = {0};
        layer.skip_op = (int)c.op;
        const bool ok = device_open(&device, "gpu", 1, &err);
        layer.skip_op = -1;
        device_close(&device);
        if (ok || (!strstr(err.text, message) && i > 2)) fail_msg("%s did nothing, and: '%s'", name, err.text);
        vulkan_expect_line(&err, name);
        arena_free(&c.arena);
    }
}

/* ---- Barriers ---- */

static int vulkan_copy_chain(Device *device, int barrier_to_skip)
{
    DeviceArena memory = {.device = device};
    f32p x[4];
    for (int i = 0; i < 4; i++) x[i] = device_f32(&memory, 1000);
    RUN(device, fill, .x = x[0], .n = 1000, .value = 3);
    layer.hazards = 0;
    layer.skip_barrier = barrier_to_skip;
    RUN(device, copy, .x = x[0], .y = x[1], .n = 1000);  /* reads what fill writes */
    RUN(device, copy, .x = x[2], .y = x[0], .n = 1000);  /* writes what copy reads */
    RUN(device, fill, .x = x[1], .n = 1000, .value = 4); /* writes what copy writes */
    RUN(device, copy, .x = x[2], .y = x[3], .n = 1000);  /* reads what copy reads: no barrier */
    const int hazards = layer.hazards;
    layer.hazards = layer.skip_barrier = 0;
    device_arena_free(&memory);
    return hazards;
}

/* The layer sees a missing barrier; all other tests rely on that. */
static void test_vulkan_missing_barrier_is_seen(void **state)
{
    (void)state;
    Device device;
    Err err = {0};
    layer_install();
    if (!device_open(&device, "gpu", 1, &err)) fail_msg("%s", err.text);
    assert_int_equal(vulkan_copy_chain(&device, 0), 0);
    for (int skip = 1; skip <= 2; skip++) assert_true(vulkan_copy_chain(&device, skip) > 0);
    device_close(&device);
    layer.hazards = 0;
}

/* ---- Large ops and large tensors ---- */

static f32p vulkan_product(Device *device, DeviceArena *memory, f32 *result)
{
    enum { M = 300, N = 200, K = 100 };
    static f32 numbers[M * K];
    for (int i = 0; i < M * K; i++) numbers[i] = device_number(5, (uint64_t)i);
    f32p a = device_f32(memory, M * K), c = device_f32(memory, M * N);
    device_write(device, a, numbers, sizeof numbers);
    RUN(device, gemm, .a = a, .b = a, .c = c, .m = M, .n = N, .k = K, .lda = K, .ldb = K, .ldc = N, .tb = 1,
        .alpha = 1);
    device_read(device, result, c, M * N * sizeof(f32));
    return c;
}

/* An op that would take too long goes in several submissions: the same bits. */
static void test_vulkan_large_ops_are_cut(void **state)
{
    (void)state;
    static f32 whole[300 * 200], cut[300 * 200];
    Device device;
    Err err = {0};
    layer_install();
    if (!device_open(&device, "gpu", 1, &err)) fail_msg("%s", err.text);
    DeviceArena memory = {.device = &device};
    vulkan_product(&device, &memory, whole);
    layer.submits = 0;
    device.vulkan->submit_work = 2e6; /* of 12e6 */
    device.vulkan->tick_seconds = 0;  /* no learning from the clock */
    vulkan_product(&device, &memory, cut);
    assert_true(layer.submits >= 6);
    assert_memory_equal(whole, cut, sizeof whole);
    device_arena_free(&memory);
    device_close(&device);
}

/* Tensors above 128 MiB, and addresses beyond that. */
static void test_vulkan_large_tensor(void **state)
{
    (void)state;
    enum { N = 40000000, LAST = 1000 };
    static f32 back[LAST];
    Device device;
    Err err = {0};
    layer_install();
    if (!device_open(&device, "gpu", 1, &err)) fail_msg("%s", err.text);
    DeviceArena memory = {.device = &device};
    f32p x = device_f32(&memory, N), y = device_f32(&memory, N);
    RUN(&device, fill, .x = x, .n = N, .value = 1.5f);
    RUN(&device, fill, .x = x + N - 1, .n = 1, .value = 2.5f);
    RUN(&device, copy, .x = x, .y = y, .n = N);
    device_read(&device, back, y + N - LAST, sizeof back);
    if (!device_ok(&device, &err)) fail_msg("%s", err.text);
    for (int i = 0; i < LAST; i++) assert_true(back[i] == (i == LAST - 1 ? 2.5f : 1.5f));
    device_arena_free(&memory);
    /* More than there is: one line that says what would help. */
    device_f32(&memory, (size_t)1 << 40);
    assert_false(device_ok(&device, &err));
    vulkan_expect_line(&err, "device_f32");
    assert_non_null(strstr(err.text, "smaller --batch-size"));
    device_arena_free(&memory);
    device_close(&device);
}

static void test_vulkan_tunes_by_kind(void **state)
{
    (void)state;
    enum { AMD = 0x1002, NVIDIA = 0x10de, INTEL = 0x8086, OTHER = 1 };
    static const struct {
        VkPhysicalDeviceType type;
        uint32_t vendor, processors, shared; /* as the driver reports them; 0 processors: it does not */
        Tuning tuning;
    } kinds[] = {
        {VK_PHYSICAL_DEVICE_TYPE_CPU, OTHER, 0, 65536, {8, REGISTERS_FEW, GROUP_LEAST_BYTES}},
        {VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU, NVIDIA, 132, 49152, {132, REGISTERS_MANY, 49152}},
        {VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU, INTEL, 0, 65536, {64, REGISTERS_SOME, 49152}},
        {VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU, INTEL, 0, 32768, {16, REGISTERS_SOME, 32768}},
        {VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU, AMD, 12, 65536, {12, REGISTERS_MANY, 49152}},
        {VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU, OTHER, 0, 32768, {16, REGISTERS_FEW, 32768}},
        {VK_PHYSICAL_DEVICE_TYPE_OTHER, OTHER, 0, 32768, {16, REGISTERS_FEW, 32768}},
    };
    for (size_t i = 0; i < COUNT(kinds); i++) {
        VkPhysicalDeviceProperties properties = {.deviceType = kinds[i].type, .vendorID = kinds[i].vendor};
        properties.limits.maxComputeSharedMemorySize = kinds[i].shared;
        const Tuning tuning = tuning_of(&properties, kinds[i].processors);
        assert_memory_equal(&tuning, &kinds[i].tuning, sizeof tuning);
    }
}

/* In whole vectors, in parts, and neither; each orientation. */
static void vulkan_tile_cases(DeviceCases *cases)
{
    static const u32 sizes[][3] = {{212, 200, 130}, {64, 384, 8}, {50, 400, 800}};
    foreach (s, sizes)
        for (u32 tb = 0; tb < 2; tb++)
            for (u32 ta = 0; ta < 2; ta++) CASE(gemm, (*s)[0], (*s)[1], (*s)[2], ta, tb, 0, false);
}

/* Products in the tiles of other kinds of device. */
static void test_vulkan_large_tiles(void **state)
{
    (void)state;
    Device device;
    Err err = {0};
    layer_install();
    if (!device_open(&device, "gpu", 0, &err)) fail_msg("%s", err.text);
    for (Registers registers = REGISTERS_SOME; registers <= REGISTERS_MANY; registers++) {
        double nmse;
        bool exists = true;
        device.vulkan->tuning = (Tuning){2, registers, GROUP_LEAST_BYTES};
        for (int i = 0; exists; i++)
            if (!case_compare(&device, vulkan_tile_cases, i, i % 4 == 3, &exists, &nmse, &err))
                fail_msg("%s", err.text);
    }
    device_close(&device);
}

/* What attention's gradient keeps between its passes has no room for all examples: they go in rounds, to the same bits
 * as one by one. */
static void test_vulkan_attention_in_rounds(void **state)
{
    (void)state;
    enum { LONGEST = 480, HEADS = 64, SIZE = 4, WIDTH = HEADS * SIZE, EXAMPLES = 36 };
    u32 offsets[EXAMPLES + 1] = {0};
    Device device;
    Err err = {0};
    layer_install();
    if (!device_open(&device, "gpu", 1, &err)) fail_msg("%s", err.text);
    for (u32 first_only = 0; first_only < 2; first_only++) {
        const u32 examples = first_only ? EXAMPLES : 3;
        for (u32 e = 0; e < examples; e++) offsets[e + 1] = offsets[e] + (e % 2 ? LONGEST : 7);
        const u32 tokens = offsets[examples], rows = first_only ? examples : tokens;
        const size_t q_floats = (size_t)rows * WIDTH, kv_floats = (size_t)tokens * 2 * WIDTH;
        DeviceArena memory = {.device = &device};
        f32 *numbers = arena_new(&memory.host, f32, kv_floats), *back[2][2];
        for (size_t i = 0; i < kv_floats; i++) numbers[i] = (f32)(i * 2654435761u % 1000) * 1e-3f - 0.5f;
        f32p q = device_f32(&memory, q_floats), kv = device_f32(&memory, kv_floats),
             lse = device_f32(&memory, q_floats);
        f32p context = device_f32(&memory, q_floats), dq = device_f32(&memory, q_floats);
        f32p dkv = device_f32(&memory, kv_floats);
        u32p starts = device_u32(&memory, EXAMPLES + 1);
        device_write(&device, q, numbers, q_floats * sizeof(f32));
        device_write(&device, kv, numbers, kv_floats * sizeof(f32));
        device_write(&device, starts, offsets, sizeof offsets);
        RUN(&device, attention, .q = q, .kv = kv, .context = context, .lse = lse, .offsets = starts,
            .examples = examples, .heads = HEADS, .head_dim = SIZE, .ldq = WIDTH, .ldkv = 2 * WIDTH,
            .first_only = first_only, .longest = LONGEST, .scale = 0.5f, .drop = 0.1f);
        for (int alone = 0; alone < 2; alone++) {
            device.vulkan->submit_work = 1e18, device.vulkan->tick_seconds = 0; /* no dispatch in pieces */
            layer.dispatches = 0;
            for (u32 e = 0, each = alone ? 1 : examples; e < examples; e += each) {
                const size_t row = first_only ? e : 0;
                RUN(&device, attention_grad, .q = q + row * WIDTH, .kv = kv, .context = context + row * WIDTH,
                    .lse = lse + row * HEADS, .dcontext = q + row * WIDTH, .dq = dq + row * WIDTH, .dkv = dkv,
                    .offsets = starts + e, .examples = each, .heads = HEADS, .head_dim = SIZE, .ldq = WIDTH,
                    .ldkv = 2 * WIDTH, .first_only = first_only, .longest = LONGEST, .scale = 0.5f, .drop = 0.1f);
            }
            assert_int_equal(layer.dispatches, alone ? 2 * examples : 6);
            back[alone][0] = arena_new(&memory.host, f32, q_floats);
            back[alone][1] = arena_new(&memory.host, f32, kv_floats);
            device_read(&device, back[alone][0], dq, q_floats * sizeof(f32));
            device_read(&device, back[alone][1], dkv, kv_floats * sizeof(f32));
            RUN(&device, fill, .x = dq, .n = (u32)q_floats, .value = NAN);
            RUN(&device, fill, .x = dkv, .n = (u32)kv_floats, .value = NAN);
        }
        if (!device_ok(&device, &err)) fail_msg("%s", err.text);
        assert_memory_equal(back[0][0], back[1][0], q_floats * sizeof(f32));
        assert_memory_equal(back[0][1], back[1][1], kv_floats * sizeof(f32));
        assert_true(back[0][0][q_floats - 1] != 0);
        device_arena_free(&memory);
    }
    device_close(&device);
}

/* NaN and infinity reach the same outputs as in the plain version. */
static void test_vulkan_not_finite(void **state)
{
    (void)state;
    static const f32 values[] = {NAN, INFINITY};
    Device *device = vulkan_test_device();
    for (int op = 0; op < OP_COUNT; op++)
        for (int i = 0, done = 0; done < 3; i++) {
            DeviceCase expected, got;
            if (!case_make(&expected, tested_cases[op], i)) break;
            const int buffers = expected.count;
            size_t most = 0;
            for (int b = 0; b < buffers; b++)
                most = expected.buffers[b].count > most ? expected.buffers[b].count : most;
            arena_free(&expected.arena);
            if (most < 20 || most > 3500) continue;
            done++;
            for (int poison = 0; poison < 2 * buffers; poison++) {
                case_make(&expected, tested_cases[op], i);
                case_make(&got, tested_cases[op], i);
                const size_t count = expected.buffers[poison / 2].count;
                if (count && !expected.buffers[poison / 2].whole) {
                    expected.buffers[poison / 2].at[count / 2] = got.buffers[poison / 2].at[count / 2] =
                        values[poison % 2];
                    plain_ops[op](&expected.args);
                    got.shift = i % 4 == 3;
                    case_run(device, &got);
                    for (int b = 0; b < buffers; b++)
                        for (size_t k = 0; k < expected.buffers[b].count; k++) {
                            const f32 x = expected.buffers[b].at[k], y = got.buffers[b].at[k];
                            /* local attention: see test_device_ops_not_finite */
                            const bool spreads = op == OP_attention_local || op == OP_attention_local_grad;
                            if (spreads && (poison % 2 ? isfinite(x) : !isnan(x))) continue;
                            if (poison % 2 ? !isfinite(x) != !isfinite(y) : !isnan(x) != !isnan(y))
                                fail_msg("%s: %g in %s gives %g at %zu of %s, not %g", case_text(&got),
                                         (double)values[poison % 2], case_argument(&got, poison / 2), (double)y, k,
                                         case_argument(&got, b), (double)x);
                        }
                }
                arena_free(&got.arena);
                arena_free(&expected.arena);
            }
        }
}

/* ---- What is kept from one start to the next ---- */

static void vulkan_cache_at(const char *folder)
{
    char path[512], here[256];
    sh("rm -rf build/test-tmp/%s; mkdir -p build/test-tmp/%s", folder, folder);
    assert_non_null(getcwd(here, sizeof here));
    snprintf(path, sizeof path, "%s/build/test-tmp/%s", here, folder);
    setenv("XDG_CACHE_HOME", path, true);
}

/* Opens and closes the device; the bytes of the pipeline cache that were taken from the file. */
static size_t vulkan_cache_taken(void)
{
    Vulkan *vk;
    Err err = {0};
    if (!vulkan_open(0, &vk, &err)) fail_msg("%s", err.text);
    const size_t bytes = vk->cache_bytes;
    vulkan_close(vk);
    return bytes;
}

static void test_vulkan_pipeline_cache(void **state)
{
    (void)state;
    layer_install();
    vulkan_cache_at("cache");
    assert_int_equal(vulkan_cache_taken(), 0);
    assert_true(vulkan_cache_taken() > 0);
    static const char *const damage[] = {
        "truncate -s -1 %s", "truncate -s 70 %s", "truncate -s 0 %s", "printf x | dd of=%s bs=1 seek=80 conv=notrunc",
        "head -c 200 /dev/urandom >%s",
        /* whole, but made by another device: byte 8 of Vulkan's header is the vendor */
        ("tail -c +65 %s >build/test-tmp/body; printf x | dd of=build/test-tmp/body bs=1 seek=8 conv=notrunc; "
         "{ sha256sum <build/test-tmp/body | head -c 64; cat build/test-tmp/body; } >%1$s")};
    for (size_t i = 0; i < COUNT(damage); i++) {
        char line[512];
        snprintf(line, sizeof line, "f=$(ls build/test-tmp/cache/lethe/pipelines-*); %s", damage[i]);
        for (char *at; (at = strstr(line, "%1$s"));) memcpy(at, "$f  ", 4);
        for (char *at; (at = strstr(line, "%s"));) memcpy(at, "$f", 2);
        expect(sh("%s", line), 0, "");
        if (vulkan_cache_taken() != 0) fail_msg("taken in spite of: %s", line);
        assert_true(vulkan_cache_taken() > 0); /* written anew */
    }
    unsetenv("XDG_CACHE_HOME");
}

static void test_vulkan_auto(void **state)
{
    (void)state;
    Device device;
    Err err = {0};
    DeviceChoice choice;
    layer_install();
    vulkan_cache_at("choice");
    threads_start(1);
    assert_int_equal(choose_fastest(1, &choice), CHOSE_CPU); /* software Vulkan does not take part */
    assert_non_null(strstr(choice.why, "software"));
    layer.as_discrete_gpu = true;
    const int chosen = choose_fastest(1, &choice);
    assert_non_null(strstr(choice.why, "in a trial"));
    assert_int_equal(choose_fastest(1, &choice), chosen); /* and remembers */
    assert_non_null(strstr(choice.why, "earlier"));
    const char *other = chosen == CHOSE_CPU ? "g0" : "c";
    expect(sh("f=$(ls build/test-tmp/choice/lethe/device-*) && printf %s >$f", other), 0, "");
    assert_int_equal(choose_fastest(1, &choice), chosen == CHOSE_CPU ? 0 : CHOSE_CPU);
    expect(sh("f=$(ls build/test-tmp/choice/lethe/device-*) && printf g99 >$f"), 0, "");
    choose_fastest(1, &choice);
    assert_non_null(strstr(choice.why, "in a trial")); /* of a device that is not there nothing is remembered */
    /* LETHE_DEVICE decides instead of auto, not instead of a device that is named. */
    setenv("LETHE_DEVICE", "gpu:0", true);
    assert_true(device_open(&device, "auto", 1, &err));
    assert_non_null(device.vulkan);
    device_close(&device);
    assert_true(device_open(&device, "cpu", 1, &err));
    assert_null(device.vulkan);
    device_close(&device);
    unsetenv("LETHE_DEVICE");
    /* A GPU that auto chose and that does not work: the CPU. */
    expect(sh("f=$(ls build/test-tmp/choice/lethe/device-*) && printf g0 >$f"), 0, "");
    layer.skip_op = OP_gemm;
    assert_true(device_open(&device, "auto", 1, &err));
    assert_null(device.vulkan);
    assert_int_equal(err.code, 0);
    device_close(&device);
    layer.skip_op = -1;
    layer.as_discrete_gpu = false;
    threads_stop();
    unsetenv("XDG_CACHE_HOME");
}

static const struct CMUnitTest vulkan_failure_tests[] = {
    cmocka_unit_test(test_vulkan_calls_fail),          cmocka_unit_test(test_vulkan_lost_in_a_run),
    cmocka_unit_test(test_vulkan_nonsense_is_refused), cmocka_unit_test(test_vulkan_missing_barrier_is_seen),
    cmocka_unit_test(test_vulkan_large_ops_are_cut),   cmocka_unit_test(test_vulkan_large_tensor),
    cmocka_unit_test(test_vulkan_tunes_by_kind),       cmocka_unit_test(test_vulkan_large_tiles),
    cmocka_unit_test(test_vulkan_attention_in_rounds), cmocka_unit_test(test_vulkan_not_finite),
    cmocka_unit_test(test_vulkan_pipeline_cache),      cmocka_unit_test(test_vulkan_auto),
};
