//! Which machine instruction an [`Op`] is. In: the operation and the level. Out: iced's code for it.

use iced_x86::Code;

use super::code::Op;
use crate::target::Extension;

/// One line an operation: with AVX2, with AVX-512.
macro_rules! table {
    ($op:expr, $level:expr; $($name:ident: $avx2:ident, $avx512:ident;)*) => {
        match $op {
            $(Op::$name => if $level == Extension::Avx512 { Code::$avx512 } else { Code::$avx2 },)*
            _ => Code::INVALID,
        }
    };
}

/// The code of an operation that is always the same instruction; `INVALID` for the others.
pub(super) fn code(op: Op, level: Extension) -> Code {
    table! { op, level;
        AddF: VEX_Vaddps_ymm_ymm_ymmm256, EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er;
        SubF: VEX_Vsubps_ymm_ymm_ymmm256, EVEX_Vsubps_zmm_k1z_zmm_zmmm512b32_er;
        MulF: VEX_Vmulps_ymm_ymm_ymmm256, EVEX_Vmulps_zmm_k1z_zmm_zmmm512b32_er;
        DivF: VEX_Vdivps_ymm_ymm_ymmm256, EVEX_Vdivps_zmm_k1z_zmm_zmmm512b32_er;
        MaxF: VEX_Vmaxps_ymm_ymm_ymmm256, EVEX_Vmaxps_zmm_k1z_zmm_zmmm512b32_sae;
        MinF: VEX_Vminps_ymm_ymm_ymmm256, EVEX_Vminps_zmm_k1z_zmm_zmmm512b32_sae;
        AddI: VEX_Vpaddd_ymm_ymm_ymmm256, EVEX_Vpaddd_zmm_k1z_zmm_zmmm512b32;
        SubI: VEX_Vpsubd_ymm_ymm_ymmm256, EVEX_Vpsubd_zmm_k1z_zmm_zmmm512b32;
        MulI: VEX_Vpmulld_ymm_ymm_ymmm256, EVEX_Vpmulld_zmm_k1z_zmm_zmmm512b32;
        MaxI: VEX_Vpmaxsd_ymm_ymm_ymmm256, EVEX_Vpmaxsd_zmm_k1z_zmm_zmmm512b32;
        MinI: VEX_Vpminsd_ymm_ymm_ymmm256, EVEX_Vpminsd_zmm_k1z_zmm_zmmm512b32;
        And: VEX_Vpand_ymm_ymm_ymmm256, EVEX_Vpandd_zmm_k1z_zmm_zmmm512b32;
        Or: VEX_Vpor_ymm_ymm_ymmm256, EVEX_Vpord_zmm_k1z_zmm_zmmm512b32;
        Xor: VEX_Vpxor_ymm_ymm_ymmm256, EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32;
        ShiftLeft: VEX_Vpsllvd_ymm_ymm_ymmm256, EVEX_Vpsllvd_zmm_k1z_zmm_zmmm512b32;
        ShiftRight: VEX_Vpsrlvd_ymm_ymm_ymmm256, EVEX_Vpsrlvd_zmm_k1z_zmm_zmmm512b32;
        ShiftRightSigned: VEX_Vpsravd_ymm_ymm_ymmm256, EVEX_Vpsravd_zmm_k1z_zmm_zmmm512b32;
        ShiftLeftBy: VEX_Vpslld_ymm_ymm_imm8, EVEX_Vpslld_zmm_k1z_zmmm512b32_imm8;
        ShiftRightBy: VEX_Vpsrld_ymm_ymm_imm8, EVEX_Vpsrld_zmm_k1z_zmmm512b32_imm8;
        ShiftRightSignedBy: VEX_Vpsrad_ymm_ymm_imm8, EVEX_Vpsrad_zmm_k1z_zmmm512b32_imm8;
        CompareF: VEX_Vcmpps_ymm_ymm_ymmm256_imm8, EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae;
        CompareI: INVALID, EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8;
        CompareU: INVALID, EVEX_Vpcmpud_kr_k1_zmm_zmmm512b32_imm8;
        EqualI: VEX_Vpcmpeqd_ymm_ymm_ymmm256, INVALID;
        GreaterI: VEX_Vpcmpgtd_ymm_ymm_ymmm256, INVALID;
        Blend: VEX_Vblendvps_ymm_ymm_ymmm256_ymm, EVEX_Vblendmps_zmm_k1z_zmm_zmmm512b32;
        Sqrt: VEX_Vsqrtps_ymm_ymmm256, EVEX_Vsqrtps_zmm_k1z_zmmm512b32_er;
        Round: VEX_Vroundps_ymm_ymmm256_imm8, EVEX_Vrndscaleps_zmm_k1z_zmmm512b32_imm8_sae;
        ToI32: VEX_Vcvttps2dq_ymm_ymmm256, EVEX_Vcvttps2dq_zmm_k1z_zmmm512b32_sae;
        ToU32: INVALID, EVEX_Vcvttps2udq_zmm_k1z_zmmm512b32_sae;
        FromI32: VEX_Vcvtdq2ps_ymm_ymmm256, EVEX_Vcvtdq2ps_zmm_k1z_zmmm512b32_er;
        FromU32: INVALID, EVEX_Vcvtudq2ps_zmm_k1z_zmmm512b32_er;
        Load: VEX_Vmovups_ymm_ymmm256, EVEX_Vmovups_zmm_k1z_zmmm512;
        Move: VEX_Vmovaps_ymm_ymmm256, EVEX_Vmovaps_zmm_k1z_zmmm512;
        Store: VEX_Vmovups_ymmm256_ymm, EVEX_Vmovups_zmmm512_k1z_zmm;
        LoadOne: VEX_Vmovss_xmm_m32, EVEX_Vmovss_xmm_k1z_m32;
        LoadTwo: VEX_Vmovq_xmm_xmmm64, EVEX_Vmovq_xmm_xmmm64;
        LoadFour: VEX_Vmovups_xmm_xmmm128, EVEX_Vmovups_xmm_k1z_xmmm128;
        LoadEight: VEX_Vmovups_ymm_ymmm256, EVEX_Vmovups_ymm_k1z_ymmm256;
        StoreOne: VEX_Vmovss_m32_xmm, EVEX_Vmovss_m32_k1_xmm;
        StoreTwo: VEX_Vmovq_xmmm64_xmm, EVEX_Vmovq_xmmm64_xmm;
        StoreFour: VEX_Vmovups_xmmm128_xmm, EVEX_Vmovups_xmmm128_k1z_xmm;
        StoreEight: VEX_Vmovups_ymmm256_ymm, EVEX_Vmovups_ymmm256_k1z_ymm;
        FetchToRead: Prefetcht0_m8, Prefetcht0_m8;
        FetchToWrite: Prefetchw_m8, Prefetchw_m8;
        FromGeneral: VEX_Vmovd_xmm_rm32, EVEX_Vmovd_xmm_rm32;
        ToGeneral: VEX_Vmovd_rm32_xmm, EVEX_Vmovd_rm32_xmm;
        BroadcastGeneral: INVALID, EVEX_Vpbroadcastd_zmm_k1z_r32;
        LoadMarked: VEX_Vmaskmovps_ymm_ymm_m256, INVALID;
        StoreMarked: VEX_Vmaskmovps_m256_ymm_ymm, INVALID;
        Blocks: VEX_Vperm2f128_ymm_ymm_ymmm256_imm8, EVEX_Vshuff32x4_zmm_k1z_zmm_zmmm512b32_imm8;
        Permute: VEX_Vpermilps_ymm_ymmm256_imm8, EVEX_Vpermilps_zmm_k1z_zmmm512b32_imm8;
        MixLow: VEX_Vunpcklps_ymm_ymm_ymmm256, EVEX_Vunpcklps_zmm_k1z_zmm_zmmm512b32;
        MixHigh: VEX_Vunpckhps_ymm_ymm_ymmm256, EVEX_Vunpckhps_zmm_k1z_zmm_zmmm512b32;
        MixLowPairs: VEX_Vunpcklpd_ymm_ymm_ymmm256, EVEX_Vunpcklpd_zmm_k1z_zmm_zmmm512b64;
        MixHighPairs: VEX_Vunpckhpd_ymm_ymm_ymmm256, EVEX_Vunpckhpd_zmm_k1z_zmm_zmmm512b64;
        Gather: INVALID, EVEX_Vgatherqps_ymm_k1_vm64z;
        Scatter: INVALID, EVEX_Vscatterqps_vm64z_k1_ymm;
        UpperHalf: VEX_Vextractf128_xmmm128_ymm_imm8, EVEX_Vextractf32x8_ymmm256_k1z_zmm_imm8;
        JoinHalves: VEX_Vinsertf128_ymm_ymm_xmmm128_imm8, EVEX_Vinsertf32x8_zmm_k1z_zmm_ymmm256_imm8;
        Extend: VEX_Vpmovzxdq_ymm_xmmm128, EVEX_Vpmovzxdq_zmm_k1z_ymmm256;
        MulQ: INVALID, EVEX_Vpmullq_zmm_k1z_zmm_zmmm512b64;
        BroadcastQ: INVALID, EVEX_Vpbroadcastq_zmm_k1z_r64;
        MaskAnd: INVALID, VEX_Kandw_kr_kr_kr;
        MaskAndNot: INVALID, VEX_Kandnw_kr_kr_kr;
        MaskOr: INVALID, VEX_Korw_kr_kr_kr;
        MaskXor: INVALID, VEX_Kxorw_kr_kr_kr;
        MaskNot: INVALID, VEX_Knotw_kr_kr;
        MaskUpper: INVALID, VEX_Kshiftrw_kr_kr_imm8;
        MaskMove: INVALID, VEX_Kmovw_kr_km16;
        MaskLoad: INVALID, VEX_Kmovw_kr_km16;
        MaskStore: INVALID, VEX_Kmovw_m16_kr;
        MaskFrom: INVALID, VEX_Kmovw_kr_r32;
        AnyLane: VEX_Vtestps_ymm_ymmm256, VEX_Kortestw_kr_kr;
        MoveGeneral: Mov_r64_rm64, Mov_r64_rm64;
        LoadGeneral: Mov_r64_rm64, Mov_r64_rm64;
        LoadHalf: Mov_r32_rm32, Mov_r32_rm32;
        StoreGeneral: Mov_rm64_r64, Mov_rm64_r64;
        StoreHalf: Mov_rm32_r32, Mov_rm32_r32;
        Add: Add_r64_rm64, Add_r64_rm64;
        AddImmediate: Add_rm64_imm32, Add_rm64_imm32;
        Sub: Sub_r64_rm64, Sub_r64_rm64;
        Mul: Imul_r64_rm64, Imul_r64_rm64;
        MulImmediate: Imul_r64_rm64_imm32, Imul_r64_rm64_imm32;
        ShiftRightGeneral: Shr_rm64_imm8, Shr_rm64_imm8;
        AndImmediate: And_rm64_imm32, And_rm64_imm32;
        Address: Lea_r64_m, Lea_r64_m;
        LowBits: VEX_Bzhi_r32_rm32_r32, VEX_Bzhi_r32_rm32_r32;
        Compare: Cmp_r64_rm64, Cmp_r64_rm64;
        CompareImmediate: Cmp_rm64_imm32, Cmp_rm64_imm32;
    }
}

/// The same with an immediate of one byte.
pub(super) fn short(code: Code) -> Code {
    match code {
        Code::Add_rm64_imm32 => Code::Add_rm64_imm8,
        Code::And_rm64_imm32 => Code::And_rm64_imm8,
        Code::Cmp_rm64_imm32 => Code::Cmp_rm64_imm8,
        Code::Imul_r64_rm64_imm32 => Code::Imul_r64_rm64_imm8,
        other => other,
    }
}
