#version 460
/* Ops that take each number by itself. */
#define GROUP 256
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

#ifdef OP_dropout
void main()
{
    for EACH_ELEMENT(i, a.rows * a.cols)
        a.y.v[i] = a.x.v[i] * drop_keep(a.drop, a.seed, 0, a.step, a.site, i / a.cols, i % a.cols);
}
#else

#if defined OP_gelu
void element(uint i) { a.y.v[i] = gelu_of(a.x.v[i]); }
#elif defined OP_gelu_grad
void element(uint i)
{
    const float x = a.x.v[i];
    float density;
    const float normal = normal_of(x, density);
    a.dx.v[i] = a.dy.v[i] * (normal + x * density);
}
#elif defined OP_tanh
void element(uint i)
{
    const float x = a.x.v[i], y = x * x;
    if (abs(x) < 0.3) /* where 1 - small difference would lose digits: the Taylor series */
        a.y.v[i] = x * (1 + y * (-1.0 / 3 + y * (2.0 / 15 + y * (-17.0 / 315 + y * 62.0 / 2835))));
    else {
        const float e = exp_of(-2 * abs(x));
        a.y.v[i] = sign(x) * (1 - e) / (1 + e);
    }
}
#elif defined OP_tanh_grad
void element(uint i) { a.dx.v[i] = a.dy.v[i] * (1 - a.y.v[i] * a.y.v[i]); }
#elif defined OP_axpby
void element(uint i)
{
    const float alpha = a.alpha * (IS_NULL(a.scale) ? 1 : a.scale.v[0]);
    a.y.v[i] = alpha * a.x.v[i] + a.beta * a.y.v[i];
}
#elif defined OP_copy
void element(uint i) { a.y.v[i] = a.x.v[i]; }
#elif defined OP_fill
void element(uint i) { a.x.v[i] = a.value; }
#elif defined OP_path_integral
void element(uint i)
{
    a.path.v[i] -= a.g.v[i] * (a.w.v[i] - a.before.v[i]);
    a.before.v[i] = a.w.v[i];
}
#elif defined OP_consolidate
void element(uint i)
{
    const float moved = a.w.v[i] - a.anchor.v[i];
    a.importance.v[i] += a.path.v[i] / (moved * moved + a.damping);
}
#elif defined OP_adamw
void element(uint i)
{
    const float g = a.g.v[i] * (IS_NULL(a.scale) ? 1 : a.scale.v[0]);
    const float m = a.m.v[i] + (1 - a.beta1) * (g - a.m.v[i]);
    const float v = a.beta2 * a.v.v[i] + (1 - a.beta2) * g * g;
    precise const float decayed = a.w.v[i] * a.shrink; /* rounded here, as wake_rows does */
    a.w.v[i] = decayed - a.lr / a.fix1 * m / (sqrt(v) / a.fix2 + a.eps);
    a.m.v[i] = m;
    a.v.v[i] = v;
}
#endif

void main()
{
    for EACH_ELEMENT(i, a.n) element(i);
}
#endif
